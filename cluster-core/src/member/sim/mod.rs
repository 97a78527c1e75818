//! Members on faulty stores, with a hostile network between them, against an oracle that remembers what clients were told.

mod clients;
mod few;
mod modes_tests;
mod node;
mod oracle;
mod tests;
mod world;
