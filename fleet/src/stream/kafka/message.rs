//! An item as a message of Kafka: an object of JSON with the fields that Redis has, such as `{"path": "/data/a.jpg", "ra": 150.1,
//! "dec": 2.2}`. So a line of a shell can add one, too.

use serde_json::{Map, Value};

use super::super::message::{Field, fields, item};
use crate::plan::Item;

/// The field for how often it was delivered before it was put back. Others have no use for it.
const DELIVERIES: &str = "deliveries";

/// A message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The item; or why it is none.
    pub(super) item: Result<Item, String>,
    /// How often it was delivered before it was put back.
    pub(super) before: u64,
}

/// As it is sent.
pub(super) fn text(item: &Item, before: u64) -> String {
    let mut object = Map::new();
    for (name, value) in fields(item) {
        object.insert(name.to_owned(), value.into());
    }
    if before > 0 {
        object.insert(DELIVERIES.to_owned(), before.into());
    }
    Value::Object(object).to_string()
}

/// What came.
pub(super) fn read(bytes: &[u8]) -> Message {
    let object: Map<String, Value> = match serde_json::from_slice(bytes) {
        Ok(object) => object,
        Err(error) => {
            return Message {
                item: Err(format!("it is no object of JSON: {error}")),
                before: 0,
            };
        }
    };
    let field = |(name, value): (&String, &Value)| -> Option<Field> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some((name.clone().into_bytes(), text.into_bytes()))
    };
    let fields: Vec<Field> = object.iter().filter_map(field).collect();
    Message {
        item: item(&fields),
        before: object.get(DELIVERIES).and_then(Value::as_u64).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::described;
    use galmorph_cutout::Position;

    #[test]
    fn an_item_comes_out_as_it_went_in() {
        let position = Position::new(150.123_456_789_012_3, -2.5);
        let sent = Item::new(
            "/a/%FF b%2541\".jpg".to_owned(),
            described(position, Some(3.25), Some("an id\twith %0A")),
        );
        let came = read(text(&sent, 3).as_bytes());
        assert_eq!(came.before, 3);
        let item = came.item.unwrap();
        assert_eq!(item.path, sent.path);
        assert_eq!(item.identity(String::new()), sent.identity(String::new()));
        // By hand, numbers are numbers.
        let by_hand = br#"{"path": "/a.jpg", "ra": 150.5, "dec": -2, "seen": null}"#;
        let item = read(by_hand).item.unwrap();
        let place = item.identity(String::new()).position.unwrap().0;
        assert_eq!((place.ra(), place.dec()), (150.5, -2.0));
        for (bytes, fault) in [
            (&b"/a.jpg"[..], "no object of JSON"),
            (b"{\"name\": 1}", "it has no path"),
            (b"\xff", "no object of JSON"),
        ] {
            let said = read(bytes).item.unwrap_err();
            assert!(said.contains(fault), "{said}");
        }
    }
}
