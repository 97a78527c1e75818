//! Whole members in one process, on faulty disks, with links in memory.

mod apart;
mod appends;
mod copysets;
mod disk;
mod failover;
mod lacks;
mod leaving;
mod members;
mod modes;
mod net;
mod producers;
mod sealing;
mod world;
