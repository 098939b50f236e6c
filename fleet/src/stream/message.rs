//! An item as the stream has it: a field `path`, and where they are known `object_id`, `ra`, `dec` and `radius`. So a line of
//! a shell can add one, too: `redis-cli XADD galmorph:SITE '*' path /data/a.jpg`.

use std::path::{Component, Path};

use galmorph_cutout::Position;
use galmorph_output::text_path;

use crate::plan::{Item, described};

/// A field's name and value.
pub(super) type Field = (Vec<u8>, Vec<u8>);

/// The fields of an item.
pub(super) fn fields(item: &Item) -> Vec<(&'static str, String)> {
    let mut fields = vec![("path", item.path.clone())];
    let identity = item.identity(String::new());
    if !identity.object_id.is_empty() {
        // As people know it; whoever reads it escapes it again.
        let id = text_path(&identity.object_id);
        fields.push((
            "object_id",
            id.to_str().map_or(identity.object_id, str::to_owned),
        ));
    }
    if let Some((position, _)) = identity.position {
        fields.push(("ra", position.ra().to_string()));
        fields.push(("dec", position.dec().to_string()));
    }
    if let Some(radius) = identity.radius {
        fields.push(("radius", radius.to_string()));
    }
    fields
}

/// The item that fields describe, or what is wrong with them. Fields of other names are left alone.
pub(super) fn item(fields: &[Field]) -> Result<Item, String> {
    let text = |name: &str| {
        let field = fields.iter().find(|(field, _)| field == name.as_bytes());
        let Some((_, value)) = field else {
            return Ok(None);
        };
        let text = str::from_utf8(value).map_err(|_| format!("its {name} is no UTF-8"))?;
        Ok::<_, String>((!text.is_empty()).then_some(text))
    };
    let number = |name: &str| match text(name)?.map(str::parse::<f64>) {
        None => Ok(None),
        Some(Ok(number)) if number.is_finite() => Ok(Some(number)),
        Some(_) => Err(format!("its {name} is no number")),
    };
    let path = text("path")?.ok_or("it has no path")?;
    // A file's address is the path behind `file://`, or behind a machine's name: percent-decoding leads back to both.
    let path = match path.strip_prefix("file://") {
        Some(behind) => &behind[behind.find('/').ok_or("its path is no path of a file")?..],
        None => path,
    };
    let real = text_path(path);
    let is_plain = |part: Component| !matches!(part, Component::ParentDir | Component::CurDir);
    if !real.is_absolute() || !real.components().all(is_plain) {
        return Err("its path is not absolute, or has .. in it".to_owned());
    }
    let position = match (number("ra")?, number("dec")?) {
        (None, None) => None,
        (Some(ra), Some(dec)) => {
            Some(Position::new(ra, dec).ok_or("its ra and dec are no position in degrees")?)
        }
        _ => return Err("ra and dec need each other".to_owned()),
    };
    let radius = number("radius")?;
    if radius.is_some_and(|radius| radius <= 0.0) {
        return Err("its radius is not above 0".to_owned());
    }
    let path = galmorph_output::path_text(Path::new(&real));
    Ok(Item::new(
        path,
        described(position, radius, text("object_id")?),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Result<Item, String> {
        let fields: Vec<Field> = fields
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        item(&fields)
    }

    #[test]
    fn an_item_comes_out_as_it_went_in() {
        let position = Position::new(150.123_456_789_012_3, -2.5);
        for more in [
            String::new(),
            described(position, Some(3.25), Some("an id\twith %0A")),
            described(None, None, Some("7")),
            described(position, None, None),
        ] {
            let sent = Item::new("/a/%FF b%2541.jpg".to_owned(), more);
            let fields: Vec<Field> = fields(&sent)
                .into_iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes()))
                .collect();
            let came = item(&fields).unwrap();
            assert_eq!(came.path, sent.path);
            assert_eq!(came.file(), sent.file());
            let named = String::new;
            assert_eq!(came.identity(named()), sent.identity(named()));
        }
    }

    #[test]
    fn an_address_is_a_path_and_what_is_none_is_refused() {
        for path in ["/a b.jpg", "file:///a%20b.jpg", "file://machine/a b.jpg"] {
            assert_eq!(read(&[("path", path)]).unwrap().path, "/a b.jpg");
        }
        for (fields, fault) in [
            (&[("file", "/a.jpg")][..], "it has no path"),
            (&[("path", "a.jpg")], "not absolute"),
            (&[("path", "/a/../b.jpg")], "has .. in it"),
            (&[("path", "file:///a/%2E%2E/b.jpg")], "has .. in it"),
            (&[("path", "file://a")], "no path of a file"),
            (&[("path", "/a"), ("ra", "1")], "need each other"),
            (
                &[("path", "/a"), ("ra", "x"), ("dec", "1")],
                "ra is no number",
            ),
            (&[("path", "/a"), ("ra", "1"), ("dec", "91")], "no position"),
            (&[("path", "/a"), ("radius", "NaN")], "radius is no number"),
            (&[("path", "/a"), ("radius", "-1")], "not above 0"),
        ] {
            let said = read(fields).unwrap_err();
            assert!(said.contains(fault), "{said}");
        }
    }
}
