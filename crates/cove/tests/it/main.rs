//! The binary, judged from outside: by its own command line and by unmodified clients.

mod bad_input;
mod clients;
mod command_line;
mod doors;
mod http;
mod kill;
mod real_pod;
mod region;
mod spine;
