//! The last maps, in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::Map;

/// How many are kept. With its pictures, one has a few hundred kB.
const KEPT: usize = 32;

/// Maps by their keys, the last one first.
#[derive(Default)]
pub(super) struct Maps(Mutex<VecDeque<(String, Arc<Map>)>>);

impl Maps {
    pub(super) fn get(&self, key: &str) -> Option<Arc<Map>> {
        let mut maps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = maps.iter().position(|(known, _)| known == key)?;
        let found = maps.remove(at)?;
        let map = Arc::clone(&found.1);
        maps.push_front(found);
        Some(map)
    }

    pub(super) fn put(&self, key: &str, map: &Arc<Map>) {
        let mut maps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        maps.retain(|(known, _)| known != key);
        maps.push_front((key.to_owned(), Arc::clone(map)));
        maps.truncate(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::png;
    use galmorph_cutout::{OcclusionMap, Probabilities};
    use image::RgbImage;

    fn map() -> Arc<Map> {
        Arc::new(Map {
            occlusion: OcclusionMap {
                answer: Probabilities::from_values([0.2; 5]),
                side: 1,
                patch: 1,
                corners: vec![0],
                falls: vec![0.0],
            },
            view: png(&RgbImage::new(1, 1)),
            over: png(&RgbImage::new(1, 1)),
        })
    }

    #[test]
    fn the_maps_that_were_looked_at_last_are_kept() {
        let maps = Maps::default();
        let first = map();
        maps.put("first", &first);
        maps.put("second", &map());
        for number in 0..KEPT - 1 {
            assert!(Arc::ptr_eq(&maps.get("first").unwrap(), &first));
            maps.put(&number.to_string(), &map());
        }
        assert!(maps.get("first").is_some());
        assert!(maps.get("second").is_none(), "there is no room for it");
        assert_eq!(maps.0.lock().unwrap().len(), KEPT);
        maps.put("first", &map());
        assert_eq!(maps.0.lock().unwrap().len(), KEPT, "it takes its own place");
    }
}
