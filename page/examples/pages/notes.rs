//! What the page says that no flag knows: a description, examples, files, the environment.

use crate::command::{Named, Notes};

/// The exit codes.
pub(crate) const EXIT_STATUS: [(&str, &str); 5] = [
    ("0", "A signal ended the page, or the file was written."),
    (
        "2",
        "The command line is wrong, or the output could not be written.",
    ),
    ("3", "The catalog can't be used."),
    (
        "70",
        "A fault of galmorph-page itself, or of the system. Please report it, with what was printed.",
    ),
    (
        "75",
        "The catalog is locked, or its disk is full. Try again.",
    ),
];

pub(crate) const PAGE: Notes = Notes {
    description: &[
        "galmorph-page shows the galaxies behind the rows of a catalog: counts, a gallery with the filters and orders of \
         `galmorph query`, each galaxy with what the network saw, rejected files, and galaxies to review by keys.",
        "It reads the catalog while `galmorph watch` writes it. What people say of galaxies is all that it writes, and the marks \
         of a retry. Whoever reaches the page can look and review: it has no passwords, and listens for this machine alone. \
         To show it to others, put a reverse proxy in front.",
        "On request, it maps on which parts of an image an answer depends, if the answer is by its model: the built-in one, or that \
         of `--model`.",
        "SIGTERM finishes the answers that have begun.",
    ],
    some_rejected: None,
    examples: &[
        (
            "Look at a catalog, and open http://127.0.0.1:8150:",
            "galmorph-page --catalog galmorph.sqlite",
        ),
        (
            "The service that the package brings, off until then:",
            "systemctl enable --now galmorph-page",
        ),
        (
            "A page to send, with the pictures inside:",
            "galmorph-page --catalog galmorph.sqlite --export least-sure.html \\\n    \
             --select 'label=spiral&max-confidence=0.6' --limit 60",
        ),
    ],
    files: &[
        Named {
            name: "/var/lib/galmorph/galmorph.sqlite",
            meaning: "The catalog that the service shows.",
        },
        Named {
            name: "/var/cache/galmorph-page",
            meaning: "The service's thumbnails. They can be removed at any time.",
        },
        Named {
            name: "/usr/share/doc/galmorph/docs/page.md",
            meaning: "The guide: views, keys, who can see it, a reverse proxy.",
        },
    ],
    environment: &[Named {
        name: "GALMORPH_LOG",
        meaning: "Which log lines go to standard error: a level (error, warn, info, debug, trace), or levels by module as in \
                  `galmorph_page=debug,warn`.",
    }],
    see_also: &[
        ("galmorph", 1),
        ("galmorph-query", 1),
        ("galmorph-watch", 1),
        ("galmorph-catalog", 5),
    ],
};
