//! As much of HTTP/1.1 as the sample app needs: one request at a time, bodies with a length, keep-alive.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A request's head. The body is still unread.
pub struct Request {
    method: String,
    target: String,
    http10: bool,
    headers: Vec<(String, String)>,
    /// Bytes of body that follow.
    pub body_length: u64,
}

impl Request {
    pub fn method(&self) -> &str {
        &self.method
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or("")
    }

    /// A number in the query: `?ms=5000`.
    pub fn number(&self, name: &str) -> Option<u64> {
        let (_, query) = self.target.split_once('?')?;
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    }

    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn keep_alive(&self) -> bool {
        let connection = self.header("connection").unwrap_or("").to_ascii_lowercase();
        if self.http10 {
            connection.contains("keep-alive")
        } else {
            !connection.contains("close")
        }
    }
}

/// Status and text of an answer.
pub struct Response {
    status: u16,
    body: String,
}

impl Response {
    pub fn new(status: u16, body: String) -> Self {
        Self { status, body }
    }

    pub fn ok(body: String) -> Self {
        Self::new(200, body)
    }
}

/// The next request on a connection; `None` where the client has closed it or sent nothing for long.
pub fn read_request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let first = line(reader)?;
    let mut words = first.split(' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next())
    else {
        return Ok(None);
    };
    let mut request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        http10: version == "HTTP/1.0",
        headers: Vec::new(),
        body_length: 0,
    };
    loop {
        let text = line(reader)?;
        let Some((key, value)) = text.split_once(':') else {
            break;
        };
        request
            .headers
            .push((key.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if request.header("transfer-encoding").is_some() {
        return Err(io::Error::other(
            "bodies without a length are not supported",
        ));
    }
    request.body_length = request
        .header("content-length")
        .and_then(|value| value.parse().ok())
        .unwrap_or(0);
    Ok(Some(request))
}

fn line(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut bytes = Vec::new();
    reader
        .by_ref()
        .take(16 << 10)
        .read_until(b'\n', &mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// Writes an answer in one piece.
pub fn write_response(
    stream: &mut TcpStream,
    request: &Request,
    response: &Response,
    identity: &str,
) -> io::Result<()> {
    let reason = match response.status {
        200 => "OK",
        404 => "Not Found",
        _ => "Service Unavailable",
    };
    let connection = if request.keep_alive() {
        "keep-alive"
    } else {
        "close"
    };
    let body = if request.method() == "HEAD" {
        ""
    } else {
        &response.body
    };
    let head = format!(
        "HTTP/1.1 {} {reason}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: {connection}\r\n{identity}\r\n",
        response.status,
        response.body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes())
}
