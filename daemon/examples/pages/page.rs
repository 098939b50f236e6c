//! A manual page, section by section, in the words of man(7).
//!
//! Texts are plain, and what a user types as it stands is between backticks: it comes out bold.

use roff::{Inline, Roff, bold, italic, roman};

/// A manual page.
pub(crate) struct Page {
    file: String,
    roff: Roff,
    /// Whether a heading came last, after which a paragraph needs no mark.
    is_fresh: bool,
}

impl Page {
    /// A page of a section of the manual, with its name and what it is about in half a line.
    pub(crate) fn new(name: &str, section: u8, about: &str, date: &str) -> Self {
        let manual = match section {
            1 => "User Commands",
            _ => "File Formats",
        };
        let number = section.to_string();
        let source = concat!("galmorph ", env!("CARGO_PKG_VERSION"));
        let mut page = Self {
            file: format!("{name}.{section}"),
            roff: Roff::new(),
            is_fresh: false,
        };
        page.roff
            .control("TH", [name, &number, date, source, manual]);
        page.roff.control("ad", ["l"]);
        page.section("NAME");
        page.words(vec![roman(format!("{name} - {about}"))]);
        page
    }

    /// A section's heading.
    pub(crate) fn section(&mut self, heading: &str) -> &mut Self {
        self.roff.control("SH", [heading]);
        self.is_fresh = true;
        self
    }

    /// A part of a section.
    pub(crate) fn subsection(&mut self, heading: &str) -> &mut Self {
        self.roff.control("SS", [heading]);
        self.is_fresh = true;
        self
    }

    /// How a command is called: its name, and then its arguments, each of which stays on one line.
    pub(crate) fn synopsis(&mut self, command: &str, arguments: &[Vec<Inline>]) -> &mut Self {
        // All in one line: at the end of one, three dots would end a sentence.
        let words = arguments.join(&roman(" "));
        self.roff.control("SY", [command]);
        self.words(words);
        self.roff.control("YS", []);
        self
    }

    /// A paragraph.
    pub(crate) fn paragraph(&mut self, text: &str) -> &mut Self {
        if !self.is_fresh {
            self.roff.control("PP", []);
        }
        self.words(marked(text))
    }

    /// A term and, indented below it, what there is to say of it.
    pub(crate) fn item(&mut self, term: Vec<Inline>, text: &str) -> &mut Self {
        self.roff.control("TP", []);
        self.words(term).words(marked(text))
    }

    /// More of what there is to say of the last item.
    pub(crate) fn more(&mut self, text: &str) -> &mut Self {
        self.roff.control("IP", []);
        self.words(marked(text))
    }

    /// The values that the last item can have, each with what it means.
    pub(crate) fn choices(&mut self, choices: &[(&str, String)]) -> &mut Self {
        if choices.is_empty() {
            return self;
        }
        self.roff.control("RS", []);
        for (value, meaning) in choices {
            self.item(vec![bold(*value)], meaning);
        }
        self.roff.control("RE", []);
        self
    }

    /// Lines that a user types.
    pub(crate) fn example(&mut self, lines: &str) -> &mut Self {
        self.roff
            .control("PP", [])
            .control("RS", ["4"])
            .control("EX", []);
        for line in lines.lines() {
            self.roff.text([roman(line)]);
        }
        self.roff.control("EE", []).control("RE", []);
        self
    }

    /// Other pages, in the order of their sections.
    pub(crate) fn see_also(&mut self, pages: &[(&str, u8)]) -> &mut Self {
        self.section("SEE ALSO");
        let mut words = Vec::new();
        for (number, (name, section)) in pages.iter().enumerate() {
            if number > 0 {
                words.push(roman(", "));
            }
            words.extend([bold(*name), roman(format!("({section})"))]);
        }
        self.words(words)
    }

    /// The file's name and the whole page, in plain ASCII.
    pub(crate) fn finish(self) -> (String, String) {
        let text = self.roff.render().replace('\u{a0}', "\\~");
        let lines = text.lines().map(unbroken);
        (
            self.file,
            lines.fold(String::new(), |page, line| page + &line + "\n"),
        )
    }

    fn words(&mut self, words: Vec<Inline>) -> &mut Self {
        self.roff.text(words);
        self.is_fresh = false;
        self
    }
}

/// A line of the source, with no hyphen at the end of a line in what is typed: names of programs and files.
fn unbroken(line: &str) -> String {
    if line.starts_with('.') {
        return line.to_owned();
    }
    let words = line.split(' ').map(|word| {
        if word.contains("galmorph") || word.contains('/') {
            format!("\\%{word}")
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A text with what is typed in bold.
pub(crate) fn marked(text: &str) -> Vec<Inline> {
    text.split('`')
        .enumerate()
        .filter(|(_, part)| !part.is_empty())
        .map(|(number, part)| match number % 2 {
            0 => roman(part),
            _ => bold(part),
        })
        .collect()
}

/// What is typed as it stands, and what stands for a value.
pub(crate) fn literal_and_place(literal: &str, place: &str) -> Vec<Inline> {
    vec![bold(literal), roman(" "), italic(place)]
}
