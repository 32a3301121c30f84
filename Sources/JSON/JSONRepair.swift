public import Bytes

/// Repairs almost valid JSON from senders that cannot be fixed; never used for output.
///
/// Repairs only unambiguous faults that serialisers in the field produce: a byte order mark, invalid UTF-8, raw control characters
/// and unknown escapes within strings, `NaN`, `Infinity` and Python's constants, trailing commas, and excessive nesting. Truncated
/// text is not repaired, because the missing part may matter.
public enum JSONRepair {
    /// Deeper containers become null.
    static let maxDepth = 64

    /// - Parameter output: receives the text; unusable if the result is false. Invalid UTF-8 bytes are written as
    ///   `\udc80`...`\udcff` (like Python's `surrogateescape`), so ``JSONStringJoiner`` can join a character that was split between
    ///   two texts.
    /// - Returns: false if the text is not an object or array, or has more than one fault per eight bytes. True does not mean that
    ///   the result is valid. O(n).
    public static func repair(_ text: UnsafeRawBufferPointer, into output: inout ByteBuffer) -> Bool {
        guard let start = text.baseAddress else { return false }
        var writer = Writer(start: start, byteCount: text.count)
        return writer.write(to: &output)
    }

    private struct Writer {
        let start: UnsafeRawPointer
        let byteCount: Int
        var position = 0
        var depth = 0
        var faultsLeft: Int

        init(start: UnsafeRawPointer, byteCount: Int) {
            self.start = start
            self.byteCount = byteCount
            faultsLeft = 64 + byteCount / 8
        }

        private func byte(_ offset: Int) -> UInt8 { offset < byteCount ? start.load(fromByteOffset: offset, as: UInt8.self) : 0 }

        private func slice(_ first: Int, _ end: Int) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(start: start + first, count: end - first)
        }

        mutating func write(to output: inout ByteBuffer) -> Bool {
            if byte(0) == 0xEF, byte(1) == 0xBB, byte(2) == 0xBF { position = 3 }
            skipSpace()
            guard byte(position) == UInt8(ascii: "{") || byte(position) == UInt8(ascii: "[") else { return false }
            output.reserve(byteCount + 64)
            while position < byteCount, faultsLeft > 0 {
                let next = byte(position)
                switch next {
                case UInt8(ascii: "\""): if !writeString(to: &output) { return false }
                case UInt8(ascii: "{"), UInt8(ascii: "["):
                    if depth >= JSONRepair.maxDepth {
                        if !skipContainer() { return false }
                        output.append("null" as StaticString)
                    } else {
                        depth += 1
                        copy(to: &output)
                    }
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    depth = max(0, depth - 1)
                    if output.bytes.last == UInt8(ascii: ",") {
                        output.removeLast(1)
                        faultsLeft -= 1
                    }
                    copy(to: &output)
                case 0x20, 0x09, 0x0A, 0x0D: position += 1
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): writeWord(to: &output)
                case UInt8(ascii: "-") where byte(position + 1) == UInt8(ascii: "I"):
                    position += 1
                    writeWord(to: &output)
                default: copy(to: &output)
                }
            }
            return position >= byteCount && faultsLeft > 0
        }

        private mutating func skipSpace() {
            while position < byteCount, [0x20, 0x09, 0x0A, 0x0D].contains(byte(position)) { position += 1 }
        }

        private mutating func copy(to output: inout ByteBuffer) {
            output.append(byte(position))
            position += 1
        }

        /// A bare word: unchanged if it is valid JSON, otherwise its JSON equivalent.
        private mutating func writeWord(to output: inout ByteBuffer) {
            let first = position
            while position < byteCount, byte(position) | 0x20 >= UInt8(ascii: "a"), byte(position) | 0x20 <= UInt8(ascii: "z") {
                position += 1
            }
            let word = slice(first, position)
            if word.elementsEqual("True".utf8) {
                output.append("true" as StaticString)
            } else if word.elementsEqual("False".utf8) {
                output.append("false" as StaticString)
            } else if ["NaN", "nan", "Infinity", "inf", "None", "undefined"].contains(where: { word.elementsEqual($0.utf8) }) {
                output.append("null" as StaticString)
            } else {
                // Also the `e` of a number.
                output.append(word)
                return
            }
            faultsLeft -= 1
        }

        /// - Returns: false if the string does not end.
        private mutating func writeString(to output: inout ByteBuffer) -> Bool {
            copy(to: &output)
            while position < byteCount, faultsLeft > 0 {
                let first = position
                var next = byte(position)
                while position < byteCount, next != UInt8(ascii: "\""), next != UInt8(ascii: "\\"), next >= 0x20, next < 0x80 {
                    position += 1
                    next = byte(position)
                }
                output.append(slice(first, position))
                guard position < byteCount else { return false }
                switch next {
                case UInt8(ascii: "\""):
                    copy(to: &output)
                    return true
                case UInt8(ascii: "\\"): writeEscape(to: &output)
                case ..<0x20:
                    output.append("\\u00" as StaticString)
                    appendHexadecimal(next, to: &output)
                    position += 1
                    faultsLeft -= 1
                default: writeCharacter(to: &output)
                }
            }
            return false
        }

        private mutating func writeEscape(to output: inout ByteBuffer) {
            let letter = byte(position + 1)
            let isHexadecimal = letter == UInt8(ascii: "u") && (2..<6).allSatisfy { Hexadecimal.value(byte(position + $0)) != nil }
            if isHexadecimal || "\"\\/bfnrt".utf8.contains(letter) {
                let length = isHexadecimal ? 6 : 2
                output.append(slice(position, position + length))
                position += length
            } else {
                // A backslash that escapes nothing stands for itself.
                output.append("\\\\" as StaticString)
                position += 1
                faultsLeft -= 1
            }
        }

        private mutating func writeCharacter(to output: inout ByteBuffer) {
            let length = UTF8Validator.sequenceLength(start + position, byteCount: byteCount - position)
            if length > 0 {
                output.append(slice(position, position + length))
                position += length
                return
            }
            output.append("\\udc" as StaticString)
            appendHexadecimal(byte(position), to: &output)
            position += 1
            faultsLeft -= 1
        }

        private func appendHexadecimal(_ byte: UInt8, to output: inout ByteBuffer) {
            for digit in [byte >> 4, byte & 15] {
                output.append(digit < 10 ? digit + UInt8(ascii: "0") : digit - 10 + UInt8(ascii: "a"))
            }
        }

        /// Skips the container that begins here, up to its closing bracket.
        private mutating func skipContainer() -> Bool {
            var open = 0
            var isInString = false
            while position < byteCount {
                let next = byte(position)
                position += 1
                if isInString {
                    if next == UInt8(ascii: "\\") { position += 1 } else if next == UInt8(ascii: "\"") { isInString = false }
                    continue
                }
                switch next {
                case UInt8(ascii: "\""): isInString = true
                case UInt8(ascii: "{"), UInt8(ascii: "["): open += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    open -= 1
                    if open == 0 { return true }
                default: break
                }
            }
            return false
        }
    }
}
