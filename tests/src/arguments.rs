//! What a bench or an example is told on its command line.

/// What follows the name, if it is there.
pub fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

/// The value of an option as a number.
pub fn number(name: &str, default: usize) -> usize {
    argument(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: expected a number")))
}
