//! A WebSocket that echoes what it hears, and every second of silence says which release and host it is.

use crate::http::Request;
use crate::sha1::{base64, sha1};
use crate::{App, identity};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Answers the handshake (RFC 6455 §4.2.2), then talks until the client closes.
pub fn serve(app: &App, request: &Request, mut reader: BufReader<TcpStream>) -> io::Result<()> {
    let Some(key) = request.header("sec-websocket-key") else {
        return write!(
            reader.get_mut(),
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    };
    let accept = base64(&sha1(
        format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes(),
    ));
    write!(
        reader.get_mut(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{}\r\n",
        identity(app)
    )?;
    let whoami = format!("{} {} {}", app.release, app.slot, app.host);
    reader
        .get_ref()
        .set_read_timeout(Some(Duration::from_secs(1)))?;
    loop {
        match read_frame(&mut reader) {
            Ok((CLOSE, payload)) => return write_frame(reader.get_mut(), CLOSE, &payload),
            Ok((PING, payload)) => write_frame(reader.get_mut(), PONG, &payload)?,
            Ok((PONG, _)) => {}
            Ok((kind, payload)) => write_frame(reader.get_mut(), kind, &payload)?,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                write_frame(reader.get_mut(), TEXT, whoami.as_bytes())?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// One frame from the client: its kind and its unmasked payload. A client masks every frame (RFC 6455 §5.1).
fn read_frame(reader: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 1];
    reader.read_exact(&mut head)?;
    let mut length = [0; 1];
    reader.read_exact(&mut length)?;
    let length = match length[0] & 0x7f {
        126 => {
            let mut long = [0; 2];
            reader.read_exact(&mut long)?;
            usize::from(u16::from_be_bytes(long))
        }
        127 => return Err(io::Error::other("frame too long")),
        short => usize::from(short),
    };
    let mut mask = [0; 4];
    reader.read_exact(&mut mask)?;
    let mut payload = vec![0; length];
    reader.read_exact(&mut payload)?;
    for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    Ok((head[0] & 0x0f, payload))
}

fn write_frame(stream: &mut TcpStream, kind: u8, payload: &[u8]) -> io::Result<()> {
    let mut frame = vec![0x80 | kind];
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(short),
        _ => {
            frame.push(126);
            frame.extend_from_slice(
                &u16::try_from(payload.len())
                    .unwrap_or(u16::MAX)
                    .to_be_bytes(),
            );
        }
    }
    frame.extend_from_slice(payload);
    stream.write_all(&frame)
}
