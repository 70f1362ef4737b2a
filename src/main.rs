//! The program: reads the outside once and calls the library.
fn main() {}
