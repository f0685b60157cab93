//! Lines from a stranger: read whole up to a limit; what is longer is skipped without being held in memory.

use std::io::{BufRead, Result};

/// The limit of a line before what is expected on it is known: 64 MiB.
pub const LINE_LIMIT: usize = 64 << 20;

/// What every expected element adds to the limit, in bytes: a number's longest text is well below.
pub const BYTES_PER_ELEMENT: usize = 64;

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A line, without its end.
    Whole(Vec<u8>),
    /// The input ended inside of a line.
    Partial(Vec<u8>),
    /// The line was longer than the limit, and is skipped to its end.
    TooLong,
    /// The input has ended.
    End,
}

/// Reads the next line of at most `limit` bytes; a carriage return before the line feed belongs to the line's end.
///
/// Holds at most `limit` bytes and the reader's own buffer. Errors: those of the reader.
pub fn read_line(reader: &mut impl BufRead, limit: usize) -> Result<Line> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let available = match reader.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(match (too_long, line.is_empty()) {
                (true, _) => Line::TooLong,
                (false, true) => Line::End,
                (false, false) => Line::Partial(line),
            });
        }
        let end = available.iter().position(|&byte| byte == b'\n');
        let taken = end.map_or(available.len(), |end| end + 1);
        let content = &available[..end.unwrap_or(available.len())];
        too_long |= line.len() + content.len() > limit;
        if too_long {
            line = Vec::new();
        } else {
            line.extend_from_slice(content);
        }
        reader.consume(taken);
        if end.is_some() {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(if too_long { Line::TooLong } else { Line::Whole(line) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn lines(text: &str, capacity: usize, limit: usize) -> Vec<Line> {
        let mut reader = BufReader::with_capacity(capacity, text.as_bytes());
        let mut lines = Vec::new();
        loop {
            match read_line(&mut reader, limit).unwrap() {
                Line::End => return lines,
                line => lines.push(line),
            }
        }
    }

    #[test]
    fn a_line_over_the_limit_is_skipped_and_the_next_is_read() {
        let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());
        for capacity in [1, 3, 64] {
            assert_eq!(
                lines("abc\n\nabcde\r\nabcd\n", capacity, 5),
                [whole("abc"), whole(""), Line::TooLong, whole("abcd")]
            );
            assert_eq!(lines("abcdef\nab", capacity, 5), [Line::TooLong, Line::Partial(b"ab".to_vec())]);
            assert_eq!(lines("abcdef", capacity, 5), [Line::TooLong]);
        }
    }
}
