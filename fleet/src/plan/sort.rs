//! Any number of files in the order of their paths, in a fixed amount of memory: runs that fit are sorted and written to a
//! temporary file, and then read together.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write as _};

use super::Item;

/// How much text is sorted at once, in bytes.
const RUN: usize = 64 << 20;

/// Takes items in any order.
pub(crate) struct Sorter {
    run: usize,
    held: Vec<Item>,
    bytes: usize,
    runs: Vec<File>,
}

impl Default for Sorter {
    fn default() -> Self {
        Self::with_run(RUN)
    }
}

impl Sorter {
    fn with_run(run: usize) -> Self {
        Self {
            run,
            held: Vec::new(),
            bytes: 0,
            runs: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, item: Item) -> io::Result<()> {
        self.bytes += item.path.len() + item.more.len() + size_of::<Item>();
        self.held.push(item);
        if self.bytes >= self.run {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.held.sort_by(|one, other| one.path.cmp(&other.path));
        let mut run = BufWriter::new(tempfile::tempfile()?);
        for item in self.held.drain(..) {
            for text in [&item.path, &item.more] {
                let length = u32::try_from(text.len()).expect("no path has 4 GiB");
                run.write_all(&length.to_le_bytes())?;
                run.write_all(text.as_bytes())?;
            }
        }
        let mut run = run.into_inner()?;
        run.rewind()?;
        self.runs.push(run);
        self.bytes = 0;
        Ok(())
    }

    /// Gives each item to `next`, in the order of the paths. Of two of one path, the first goes on; returns how many were
    /// left out for that.
    pub(crate) fn each<E: From<io::Error>>(
        &mut self,
        mut next: impl FnMut(Item) -> Result<(), E>,
    ) -> Result<u64, E> {
        self.spill()?;
        let mut runs = Vec::new();
        let mut heads = BinaryHeap::new();
        for (number, run) in self.runs.iter_mut().enumerate() {
            run.rewind()?;
            let mut run = BufReader::with_capacity(1 << 18, run);
            if let Some(item) = read(&mut run)? {
                heads.push(Reverse((item.path, number, item.more)));
            }
            runs.push(run);
        }
        let mut last: Option<String> = None;
        let mut twice = 0;
        while let Some(Reverse((path, number, more))) = heads.pop() {
            if let Some(item) = read(&mut runs[number])? {
                heads.push(Reverse((item.path, number, item.more)));
            }
            if last.as_ref() == Some(&path) {
                twice += 1;
                continue;
            }
            last = Some(path.clone());
            next(Item::new(path, more))?;
        }
        Ok(twice)
    }
}

fn read(run: &mut impl Read) -> io::Result<Option<Item>> {
    let mut length = [0; 4];
    match run.read(&mut length[..1])? {
        0 => return Ok(None),
        _ => run.read_exact(&mut length[1..])?,
    }
    let path = text(run, length)?;
    run.read_exact(&mut length)?;
    let more = text(run, length)?;
    Ok(Some(Item::new(path, more)))
}

fn text(run: &mut impl Read, length: [u8; 4]) -> io::Result<String> {
    let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
    run.read_exact(&mut bytes)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_runs_give_every_item_once_and_in_order() {
        let mut sorter = Sorter::with_run(1000);
        // 7919 is prime, so this visits every number below it once.
        let numbers = (0..7919_u32).map(|n| n * 31 % 7919);
        for number in numbers.clone().chain(0..10) {
            let item = Item::new(format!("/{number:05}"), number.to_string());
            sorter.push(item).unwrap();
        }
        assert!(sorter.runs.len() > 100);
        let mut found = Vec::new();
        let twice = sorter
            .each(|item| -> io::Result<()> {
                assert_eq!(
                    item.path,
                    format!("/{:05}", item.more.parse::<u32>().unwrap())
                );
                found.push(item.path);
                Ok(())
            })
            .unwrap();
        assert_eq!((found.len(), twice), (7919, 10));
        assert!(found.is_sorted());
        // And again.
        let mut count = 0;
        sorter
            .each(|_| -> io::Result<()> {
                count += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(count, 7919);
    }
}
