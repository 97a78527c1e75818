//! Whole members in one process, on faulty disks, with links in memory.

mod apart;
mod appends;
mod failover;
mod members;
mod net;
mod producers;
mod world;
