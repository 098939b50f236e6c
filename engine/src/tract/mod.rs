//! The border to tract.

pub(crate) mod constants;
pub(crate) mod dequantize;
pub(crate) mod op;
pub(crate) mod pattern;
pub(crate) mod reader;
pub(crate) mod rewrite;
pub(crate) mod softmax;

#[cfg(test)]
mod tests;
