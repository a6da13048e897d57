//! What a user should hear before the work begins.

/// One line for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A choice that was made.
    Said(String),
    /// Something that should be looked at although the work goes on.
    Warned(String),
}

impl Notice {
    /// The line itself.
    pub fn text(&self) -> &str {
        match self {
            Self::Said(text) | Self::Warned(text) => text,
        }
    }
}
