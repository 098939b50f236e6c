//! Rows recorded a second: 256 files a transaction, as the daemon under load.
use galmorph_catalog::{Entry, ModelInUse, Stamp, Verdict, Writer};
use galmorph_cutout::Probabilities;
fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = std::path::PathBuf::from(arguments.next().expect("a path"));
    let count: usize = arguments.next().expect("a count").parse().expect("a count");
    for ending in ["", "-wal", "-shm", ".lock"] { let _ = std::fs::remove_file(format!("{}{ending}", path.display())); }
    let model = ModelInUse { name: "m".into(), digest: blake3::hash(b"m"), card: "{}".into(), arithmetic: "f32".into() };
    let mut writer = Writer::open(&path, &model).expect("opens");
    let answer = Probabilities::average([&[0.1f32, 0.3, 0.05, 0.25, 0.3]], 1.0).expect("is one");
    let now = "2026-11-27T00:00:00Z".parse().expect("a time");
    let began = std::time::Instant::now();
    let mut number = 0;
    while number < count {
        let group: Vec<Entry> = (number..number + 256).map(|number| {
            let name = 587_722_981_741_363_294_u64 + 7919 * number as u64;
            Entry {
            path: format!("/srv/cutouts/{:05}/{name}.jpg", number / 1000).into(),
            stamp: Stamp { bytes: 15000, modified: now },
            digest: Some(blake3::hash(&number.to_le_bytes())),
            dimensions: Some((424, 424)), rendering: Some("paper".into()), shown: None, stretch: None,
            object_id: name.to_string(), attempts: 1, first_seen: now,
            verdict: Verdict::Classified(answer.clone()),
        }}).collect();
        writer.record(&group).expect("is recorded");
        number += 256;
    }
    let seconds = began.elapsed().as_secs_f64();
    let mut usage = std::mem::MaybeUninit::uninit();
    let cpu = unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()); let u: libc::rusage = usage.assume_init(); u.ru_utime.tv_sec as f64 + u.ru_utime.tv_usec as f64 / 1e6 + u.ru_stime.tv_sec as f64 + u.ru_stime.tv_usec as f64 / 1e6 };
    println!("{:.0} rows/s, {:.2} us of processor a row", number as f64 / seconds, cpu * 1e6 / number as f64);
}
