//! Bytes as hexadecimal digits. Every query writes hundreds of them, so they are written without detours.

/// Bytes as lower-case digits, two each.
pub fn hex(bytes: &[u8]) -> String {
    let mut out = vec![0; bytes.len() * 2];
    write_hex(bytes, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Writes the digits of as many bytes as there is room for.
pub fn write_hex(bytes: &[u8], out: &mut [u8]) {
    for (pair, byte) in out.as_chunks_mut().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
}

fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn every_byte_has_its_two_digits() {
        let all: Vec<u8> = (0..=255).collect();
        let expected: Vec<String> = all.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex(&all), expected.concat());
        assert_eq!(hex(&[]), "");
    }
}
