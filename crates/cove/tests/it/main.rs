//! The binary, judged from outside: by its own command line and by unmodified clients.

mod clients;
mod command_line;
mod real_pod;
mod region;
mod spine;
