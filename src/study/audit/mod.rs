//! The report of an audit.

mod report;

pub(super) use report::told;
