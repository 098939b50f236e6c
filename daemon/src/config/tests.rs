use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use clap::{Args as _, Command, FromArgMatches as _};

use super::overrides::{Overrides, WatchOverrides};
use super::*;

const EXAMPLE: &str = include_str!("../../../data/galmorph.toml");

fn faults(text: &str) -> Vec<String> {
    Config::parse(text).unwrap_err()
}

/// The configuration with these flags in force, and their faults.
fn overridden<const COMMAND: u8>(
    flags: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<(Config, Vec<String>), clap::Error> {
    let command = Overrides::<COMMAND>::augment_args(Command::new("galmorph"));
    let arguments = flags.into_iter().map(|flag| flag.as_ref().to_owned());
    let matches = command.try_get_matches_from(
        [OsStr::new("galmorph").to_owned()]
            .into_iter()
            .chain(arguments),
    )?;
    let overrides = Overrides::<COMMAND>::from_arg_matches(&matches)?;
    let (mut config, mut faults) = (Config::default(), Vec::new());
    overrides.apply(&mut config, &mut faults);
    Ok((config, faults))
}

fn watch(flags: &[&str]) -> (Config, Vec<String>) {
    overridden::<0>(flags).unwrap()
}

#[test]
fn what_is_not_set_has_its_default() {
    assert_eq!(Config::parse("").unwrap(), Config::default());
    assert_eq!(watch(&[]), (Config::default(), Vec::new()));
    let config = Config::parse("batch = 3\nsettle_seconds = 1\n").unwrap();
    assert_eq!((config.batch, config.settle_seconds), (3, 1.0));
}

#[test]
fn every_fault_is_found_in_one_go() {
    let faults = faults(
        "workrs = 2\nbatch = 0\nsettle_seconds = 'long'\nscales = [0]\nextensions = ['.jpg']\n\
         early_stop = 2.5",
    );
    assert_eq!(faults.len(), 6, "{faults:?}");
    let all = faults.join("\n");
    for expected in [
        "workrs: unknown setting (did you mean workers?)",
        "batch: 0 is not between 1 and 1024",
        "settle_seconds: \"long\" is not a number",
        "scales: preprocessing: a side of 0 pixels",
        "early_stop: 2.5 is not \"never\", \"settled\", or a confidence",
        "extensions: '.jpg' (write it without a dot",
    ] {
        assert!(all.contains(expected), "{expected} in {all}");
    }
}

#[test]
fn a_value_of_the_wrong_type_is_told_in_plain_words() {
    for (text, expected) in [
        ("workers = 'two'", "workers: \"two\" is not a whole number"),
        ("workers = 2.5", "workers: 2.5 is not a whole number"),
        ("workers = -1", "workers: -1 is negative"),
        ("workers = [2]", "workers: a list is not a whole number"),
        ("max_side = 5000000000", "max_side: 5000000000 is too large"),
        (
            "settle_seconds = nan",
            "settle_seconds: NaN is not between 0 and 86400",
        ),
        ("poll = 'yes'", "poll: \"yes\" is not true or false"),
        ("model = true", "model: true is not a path in quotes"),
        ("scales = 200", "scales: 200 is not a list of whole numbers"),
        ("scales = ['200']", "scales: \"200\" is not a whole number"),
        (
            "extensions = 'jpg'",
            "extensions: \"jpg\" is not a list of texts in quotes",
        ),
        ("extensions = [1]", "extensions: 1 is not text in quotes"),
        (
            "order = 'random'",
            "order: \"random\" is not one of newest, oldest",
        ),
        (
            "precision = { a = 1 }",
            "precision: a table is not one of auto, f32",
        ),
        (
            "folders = '/in'",
            "folders: \"/in\" is not a list of folders",
        ),
        (
            "folders = [{ path = '/in', after = 'mov' }]",
            "folders: after: \"mov\" is not one of keep, move",
        ),
        (
            "folders = [{ path = '/in', then = 'move' }]",
            "folders: a folder has no 'then' (path, after, framing, radius, pixel_scale, stretch, bands, colours, band_files, name and manifest)",
        ),
        (
            "folders = [{ after = 'move' }]",
            "folders: a folder without a path",
        ),
        (
            "folders = [3]",
            "folders: 3 is not a path in quotes, or { path = ",
        ),
        ("order = \"\"\"a\nb\"\"\"", "order: \"a\\nb\" is not one of"),
    ] {
        let faults = faults(text);
        assert_eq!(faults.len(), 1, "{text}");
        assert!(
            faults[0].starts_with(expected),
            "{} instead of {expected}",
            faults[0]
        );
    }
    let long = faults(&format!("workers = '{}'", "x".repeat(1000)));
    assert!(long[0].len() < 120, "{long:?}");
}

#[test]
fn an_unknown_setting_is_told_its_likeliest_name() {
    assert_eq!(
        faults("folder = []"),
        ["folder: unknown setting (did you mean folders?)"]
    );
    assert_eq!(
        faults("rescan = 1"),
        ["rescan: unknown setting (did you mean rescan_interval_seconds?)"]
    );
    let unlike = faults("zz = 1").remove(0);
    assert!(
        unlike.starts_with("zz: unknown setting (one of folders, framing, "),
        "{unlike}"
    );
}

#[test]
fn a_fault_of_syntax_names_its_line() {
    let faults = faults("batch = 3\nscales = [1,\n\n= 2");
    assert_eq!(faults.len(), 1);
    assert!(faults[0].starts_with("line 4: "), "{faults:?}");
}

#[test]
fn the_example_is_the_default_and_names_every_setting() {
    let example = Config::parse(EXAMPLE).unwrap();
    assert_eq!(example, Config::default());
    // What it shows commented out must be as valid as what it sets.
    let uncommented: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(line)
                if SETTINGS
                    .iter()
                    .any(|setting| line.starts_with(&format!("{} =", setting.name))) =>
            {
                line
            }
            _ => line,
        })
        .fold(String::new(), |text, line| text + line + "\n");
    let table: toml::Table = toml::from_str(&uncommented).unwrap();
    for setting in SETTINGS {
        let name = setting.name;
        assert!(table.contains_key(name), "the example lacks {name}");
    }
    Config::parse(&uncommented).unwrap();
}

#[test]
fn a_flag_sets_what_the_file_would() {
    let (config, faults) = watch(&[
        "--catalog",
        "/c.sqlite",
        "--model",
        "m.onnx",
        "--scales",
        "180,200",
        "--scales",
        "220",
        "--precision",
        "f32",
        "--early-stop",
        "0.95",
        "--workers",
        "7",
        "--batch",
        "3",
        "--poll",
        "--metrics",
        "unix:/m",
    ]);
    assert_eq!(faults, Vec::<String>::new());
    let same = Config::parse(
        "catalog = '/c.sqlite'\nmodel = 'm.onnx'\nscales = [180, 200, 220]\nprecision = 'f32'\n\
         early_stop = 0.95\nworkers = 7\nbatch = 3\npoll = true\nmetrics = 'unix:/m'",
    );
    assert_eq!(config, same.unwrap());
    assert_eq!(
        watch(&["--early-stop", "settled"]).0.early_stop,
        Some(EarlyStop::Settled)
    );
}

#[test]
fn the_fault_of_a_flag_is_that_of_the_file() {
    let (config, faults) = watch(&[
        "--workers",
        "2000",
        "--batch",
        "two",
        "--scales",
        "0",
        "--scales=x",
        "--early-stop",
        "1",
        "--metrics",
        "0.0.0.0:1",
    ]);
    assert_eq!(config, Config::default());
    let expected = [
        "--scales: \"x\" is not a whole number",
        "--early-stop: 1 is not \"never\", \"settled\", or a confidence above 0.5 and below 1",
        "--workers: 2000 is not between 0 and 1024",
        "--batch: \"two\" is not a whole number",
        "--metrics: 0.0.0.0 can be reached from elsewhere (give 127.0.0.1 or [::1], and put a reverse proxy in front of it)",
    ];
    assert_eq!(faults, expected);
    assert!(overridden::<0>(["--precision", "f64"]).is_err());
}

#[test]
fn a_path_on_the_command_line_may_be_any_bytes() {
    let path = OsStr::from_bytes(b"/a/\xFF.sqlite");
    let (config, faults) = overridden::<0>([OsStr::new("--catalog"), path]).unwrap();
    assert_eq!((config.catalog, faults.len()), (Some(path.into()), 0));
}

#[test]
fn views_has_the_flags_of_images_alone() {
    assert!(overridden::<2>(["--scales", "200"]).is_err());
    let (config, faults) =
        overridden::<2>(["--stretch", "lupton q=10", "--bands", "g,r,z"]).unwrap();
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!(config.stretch, Some("lupton q=10".parse().unwrap()));
    assert_eq!(config.bands, ["g", "r", "z"]);
    let (_, faults) = overridden::<2>(["--stretch", "arcsinh", "--colours", "z,r"]).unwrap();
    assert!(faults[0].starts_with("--stretch: unknown stretch 'arcsinh' (one of legacy, "));
    assert!(faults[1].starts_with("--colours: 2 bands are not one (grey) or three"));
}

#[test]
fn a_folder_has_what_it_does_not_say_from_all() {
    let one = tempfile::TempDir::new().unwrap();
    let other = tempfile::TempDir::new().unwrap();
    let text = format!(
        "folders = [{:?}, {{ path = {:?}, stretch = 'sdss' }}]\nstretch = 'legacy'\nbands = ['g', 'r', 'z']",
        one.path(),
        other.path()
    );
    let settings = Config::parse(&text).unwrap().resolve(&mut Vec::new());
    let stretches: Vec<_> = (settings.folders.iter())
        .map(|folder| folder.rendering.stretch.map(Stretch::name))
        .collect();
    assert_eq!(stretches, [Some("legacy"), Some("sdss")]);
    for folder in settings.folders {
        assert_eq!(folder.rendering.bands, ["g", "r", "z"]);
    }
}

#[test]
fn classify_has_the_flags_of_the_model_alone() {
    assert!(overridden::<1>(["--workers", "1"]).is_err());
    let (config, _) = overridden::<1>(["--scales", "200"]).unwrap();
    assert_eq!(config.scales, [200]);
}

#[test]
fn a_flag_is_named_as_its_setting_and_says_what_it_means() {
    let command = WatchOverrides::augment_args(Command::new("galmorph"));
    let flags: Vec<_> = command.get_arguments().collect();
    assert!(!flags.is_empty());
    for flag in flags {
        let setting = flag.get_id().as_str();
        assert_eq!(flag.get_long().unwrap(), setting.replace('_', "-"));
        assert!(flag.get_help().is_some(), "{setting}");
    }
    let offered = |name: &str| -> Vec<String> {
        let flag = command.get_arguments().find(|flag| flag.get_id() == name);
        let values = flag.unwrap().get_possible_values();
        values
            .iter()
            .map(|value| value.get_name().to_owned())
            .collect()
    };
    assert_eq!(offered("precision"), ["auto", "f32"]);
    assert_eq!(offered("early_stop"), ["never", "settled"]);
    assert_eq!(offered("stretch"), Stretch::NAMES);
}

#[test]
fn settings_that_are_ready_have_no_gaps() {
    let folder = tempfile::TempDir::new().unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path(), &link).unwrap();
    let config = Config {
        folders: vec![link.into(), folder.path().join("gone").into()],
        settle_seconds: 0.5,
        ..Config::default()
    };
    let mut faults = Vec::new();
    let settings = config.resolve(&mut faults);
    let true_name = folder.path().canonicalize().unwrap();
    let folder = Folder {
        framing: Some(Framing::Auto),
        ..true_name.into()
    };
    assert_eq!(settings.folders, [folder]);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(settings.settle, Duration::from_millis(500));
    assert_eq!(settings.catalog, Path::new(DEFAULT_CATALOG));
    assert!(settings.workers.get() >= 1);
}

#[test]
fn a_catalog_that_is_named_goes_before_the_configuration() {
    let mut config = Config::default();
    assert_eq!(catalog_path(None, &config), Path::new(DEFAULT_CATALOG));
    config.catalog = Some("/configured".into());
    assert_eq!(catalog_path(None, &config), Path::new("/configured"));
    let flag = Path::new("/flag");
    assert_eq!(catalog_path(Some(flag), &config), flag);
}
