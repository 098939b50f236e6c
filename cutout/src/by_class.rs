//! One value for each class.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Morphology;

/// One value for each class. In JSON it is an object with the classes' short names, all of them and no
/// other, so that nothing rests on an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByClass<T>(pub [T; Morphology::COUNT]);

impl<T> ByClass<T> {
    /// The value that `value` gives each class.
    pub fn from_fn(value: impl FnMut(Morphology) -> T) -> Self {
        Self(Morphology::ALL.map(value))
    }

    /// The classes with their values, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (Morphology, &T)> {
        Morphology::ALL.into_iter().zip(&self.0)
    }
}

impl<T> Index<Morphology> for ByClass<T> {
    type Output = T;

    fn index(&self, class: Morphology) -> &T {
        &self.0[class.id()]
    }
}

impl<T> IndexMut<Morphology> for ByClass<T> {
    fn index_mut(&mut self, class: Morphology) -> &mut T {
        &mut self.0[class.id()]
    }
}

impl<T: Serialize> Serialize for ByClass<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Morphology::COUNT))?;
        for (class, value) in self.iter() {
            map.serialize_entry(class.name(), value)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ByClass<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Classes(PhantomData))
    }
}

struct Classes<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Classes<T> {
    type Value = ByClass<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value for each class")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ByClass<T>, A::Error> {
        let mut found = [const { None }; Morphology::COUNT];
        while let Some(name) = map.next_key::<String>()? {
            let class: Morphology = name.parse().map_err(Error::custom)?;
            let value = map.next_value()?;
            if found[class.id()].replace(value).is_some() {
                return Err(Error::custom(format!("two values for the class {class}")));
            }
        }
        for (class, value) in Morphology::ALL.into_iter().zip(&found) {
            if value.is_none() {
                return Err(Error::custom(format!("no value for the class {class}")));
            }
        }
        let found = found.map(|value| value.expect("each class was found above"));
        Ok(ByClass(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> String {
        let read: Result<ByClass<u8>, _> = serde_json::from_str(json);
        read.unwrap_err().to_string()
    }

    #[test]
    fn it_is_written_by_name_and_read_in_any_order() {
        let values = ByClass([1, 2, 3, 4, 5]);
        let json = r#"{"round":1,"in_between":2,"cigar":3,"edge_on":4,"spiral":5}"#;
        assert_eq!(serde_json::to_string(&values).unwrap(), json);
        let other = r#"{"spiral":5,"round":1,"cigar":3,"in_between":2,"edge_on":4}"#;
        let read: ByClass<u8> = serde_json::from_str(other).unwrap();
        assert_eq!(read, values);
        assert_eq!(read[Morphology::EdgeOn], 4);
    }

    #[test]
    fn a_class_too_few_too_many_or_unknown_is_named() {
        let four = r#"{"round":1,"in_between":2,"cigar":3,"edge_on":4}"#;
        assert!(fault(four).contains("no value for the class spiral"));
        let twice = r#"{"round":1,"round":2,"cigar":3,"edge_on":4,"spiral":5}"#;
        assert!(fault(twice).contains("two values for the class round"));
        let unknown = r#"{"round":1,"in_between":2,"cigar":3,"edge_on":4,"star":5}"#;
        assert!(fault(unknown).contains("unknown class 'star'"));
    }
}
