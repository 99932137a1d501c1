//! What people and programs do wrong, by the public doors: each gets the clear error of the system it talks to, and
//! nothing is lost or half done.

mod aws;
mod data;
mod eks;
mod kubernetes;
mod sockets;
mod state;

/// Whether a text is the wanted one; a wanted text that ends in `…` is a beginning.
fn says(wanted: &str, text: &str) -> bool {
    wanted.strip_suffix('…').map_or(text == wanted, |beginning| text.starts_with(beginning))
}
