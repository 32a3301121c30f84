/// Decodes the bytes of a terminal into keys: UTF-8, control characters, and the escape sequences of xterm and compatible
/// terminals.
struct KeyDecoder {
    enum Key: Equatable {
        case scalar(Unicode.Scalar)
        case enter, interrupt, endOfInput, redraw
        case backspace, delete, deleteToStart, deleteToEnd, deleteWord
        case left, right, wordLeft, wordRight, home, end, up, down
    }

    private enum State {
        case ground
        /// Within a scalar: the bytes so far, and their final number.
        case scalar([UInt8], byteCount: Int)
        case escape
        /// After `ESC [`: the parameter bytes so far.
        case controlSequence([UInt8])
        /// After `ESC O`.
        case singleShift
    }

    private static let maxParameterBytes = 16

    private var state = State.ground
    /// During a paste, line ends are text rather than Enter.
    private var isPasting = false
    private var lastWasCarriageReturn = false

    /// - Returns: the key completed by this byte.
    mutating func receive(_ byte: UInt8) -> Key? {
        switch state {
        case .ground: return ground(byte)
        case .scalar(var bytes, let byteCount):
            guard byte & 0xC0 == 0x80 else {
                // Not UTF-8: discard the partial scalar, and decode this byte again.
                state = .ground
                return ground(byte)
            }
            bytes.append(byte)
            if bytes.count < byteCount {
                state = .scalar(bytes, byteCount: byteCount)
                return nil
            }
            state = .ground
            return String(validating: bytes, as: UTF8.self)?.unicodeScalars.first.map { .scalar($0) }
        case .escape: return afterEscape(byte)
        case .controlSequence(var parameters):
            if (0x40...0x7E).contains(byte) {
                state = .ground
                return controlSequence(parameters, final: byte)
            }
            if parameters.count < Self.maxParameterBytes { parameters.append(byte) }
            state = .controlSequence(parameters)
            return nil
        case .singleShift:
            state = .ground
            return controlSequence([], final: byte)
        }
    }

    private mutating func ground(_ byte: UInt8) -> Key? {
        let followsCarriageReturn = lastWasCarriageReturn
        lastWasCarriageReturn = byte == 0x0D
        switch byte {
        case 0x0A where followsCarriageReturn: return nil
        case 0x0A, 0x0D: return isPasting ? .scalar("\n") : .enter
        case 0x09: return .scalar(isPasting ? "\t" : " ")
        // Pasted text is never a key: it must not stop, send or delete anything.
        case 0..<0x1B where isPasting, 0x1C..<0x20 where isPasting, 0x7F where isPasting: return nil
        case 0x1B:
            state = .escape
            return nil
        case 0x01: return .home
        case 0x02: return .left
        case 0x03: return .interrupt
        case 0x04: return .endOfInput
        case 0x05: return .end
        case 0x06: return .right
        case 0x08, 0x7F: return .backspace
        case 0x0B: return .deleteToEnd
        case 0x0C: return .redraw
        case 0x0E: return .down
        case 0x10: return .up
        case 0x15: return .deleteToStart
        case 0x17: return .deleteWord
        case 0x20..<0x7F: return .scalar(Unicode.Scalar(byte))
        case 0xC2...0xDF: state = .scalar([byte], byteCount: 2)
        case 0xE0...0xEF: state = .scalar([byte], byteCount: 3)
        case 0xF0...0xF4: state = .scalar([byte], byteCount: 4)
        default: break
        }
        return nil
    }

    private mutating func afterEscape(_ byte: UInt8) -> Key? {
        state = .ground
        switch byte {
        case UInt8(ascii: "["): state = .controlSequence([])
        case 0..<0x20 where isPasting: return ground(byte)
        case _ where isPasting: return nil
        case UInt8(ascii: "O"): state = .singleShift
        case UInt8(ascii: "b"): return .wordLeft
        case UInt8(ascii: "f"): return .wordRight
        case 0x7F: return .deleteWord
        // Escape followed by another key: only that key counts.
        case 0..<0x20: return ground(byte)
        default: break
        }
        return nil
    }

    private mutating func controlSequence(_ parameters: [UInt8], final: UInt8) -> Key? {
        let text = String(decoding: parameters, as: UTF8.self)
        // The second parameter is the modifier: 5 for Ctrl, 3 for Alt.
        let isByWord = text.hasSuffix(";5") || text.hasSuffix(";3")
        if isPasting {
            if final == UInt8(ascii: "~"), text == "201" { isPasting = false }
            return nil
        }
        switch final {
        case UInt8(ascii: "A"): return .up
        case UInt8(ascii: "B"): return .down
        case UInt8(ascii: "C"): return isByWord ? .wordRight : .right
        case UInt8(ascii: "D"): return isByWord ? .wordLeft : .left
        case UInt8(ascii: "H"): return .home
        case UInt8(ascii: "F"): return .end
        case UInt8(ascii: "~"): break
        default: return nil
        }
        switch text {
        case "1", "7": return .home
        case "3": return .delete
        case "4", "8": return .end
        case "200": isPasting = true
        default: break
        }
        return nil
    }
}
