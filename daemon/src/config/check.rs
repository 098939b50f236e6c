//! The ranges of settings. A check takes a setting as it is stored; its fault is one line, without the
//! setting's name.

use std::fmt::Display;

use galmorph_cutout::Preprocessing;

/// The longest time that can be set: a day, in seconds.
const LONGEST: f64 = 86_400.0;

#[allow(clippy::unnecessary_wraps, reason = "it takes the place of a check")]
pub(super) fn anything<T>(_: &T) -> Result<(), String> {
    Ok(())
}

pub(super) fn between<T: PartialOrd + Display>(
    low: T,
    high: T,
) -> impl Fn(&T) -> Result<(), String> {
    move |value| {
        if (&low..=&high).contains(&value) {
            Ok(())
        } else {
            Err(format!("{value} is not between {low} and {high}"))
        }
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "every check takes a reference"
)]
pub(super) fn seconds(value: &f64) -> Result<(), String> {
    between(0.0, LONGEST)(value)
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "every check takes a reference"
)]
pub(super) fn at_least_a_moment(value: &f64) -> Result<(), String> {
    between(0.01, LONGEST)(value)
}

/// A fraction that is neither nothing nor everything.
#[allow(clippy::ref_option, reason = "a check takes a setting as it is stored")]
pub(super) fn a_part(value: &Option<f64>) -> Result<(), String> {
    match value {
        Some(value) if !(*value > 0.0 && *value < 1.0) => {
            Err(format!("{value} is not above 0 and below 1"))
        }
        _ => Ok(()),
    }
}

/// Checks test scales as the preprocessing would.
#[allow(clippy::ptr_arg, reason = "a check takes a setting as it is stored")]
pub(super) fn scales(scales: &Vec<u32>) -> Result<(), String> {
    if scales.is_empty() {
        return Ok(());
    }
    let preprocessing = Preprocessing {
        test_scales: scales.clone(),
        ..Preprocessing::default()
    };
    preprocessing.validate().map_err(|fault| fault.to_string())
}

#[allow(clippy::ptr_arg, reason = "a check takes a setting as it is stored")]
pub(super) fn names(names: &Vec<String>) -> Result<(), String> {
    match names
        .iter()
        .find(|name| name.is_empty() || name.contains('/'))
    {
        Some(name) => Err(format!("'{name}' is not the name of a file or folder")),
        None => Ok(()),
    }
}

#[allow(clippy::ptr_arg, reason = "a check takes a setting as it is stored")]
pub(super) fn bands(names: &Vec<String>) -> Result<(), String> {
    match names.iter().find(|name| name.trim().is_empty()) {
        Some(name) => Err(format!("'{name}' is not the name of a band")),
        None => Ok(()),
    }
}

pub(super) fn colours(names: &Vec<String>) -> Result<(), String> {
    if ![0, 1, 3].contains(&names.len()) {
        let count = names.len();
        return Err(format!(
            "{count} bands are not one (grey) or three (red, green and blue)"
        ));
    }
    bands(names)
}

#[allow(clippy::ptr_arg, reason = "a check takes a setting as it is stored")]
pub(super) fn extensions(names: &Vec<String>) -> Result<(), String> {
    if names.is_empty() {
        return Err("no file would ever be taken".into());
    }
    match names
        .iter()
        .find(|name| name.is_empty() || name.contains(['.', '/']))
    {
        Some(name) => Err(format!("'{name}' (write it without a dot, as \"jpg\")")),
        None => Ok(()),
    }
}
