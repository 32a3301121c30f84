import Glibc

/// Reads stdin with blocking calls, on a thread of its own.
enum StandardInput {
    /// Calls `body` with each piece as it arrives, until the end.
    static func forEachPiece(_ body: ([UInt8]) -> Void) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(STDIN_FILENO, &buffer, buffer.count)
            if count > 0 {
                body(Array(buffer[..<count]))
            } else if count == 0 || errno != EINTR {
                return
            }
        }
    }

    /// Calls `body` with each line, without its line feed. The last line may lack one.
    static func forEachLine(_ body: (String) -> Void) {
        var line: [UInt8] = []
        forEachPiece { piece in
            for byte in piece {
                if byte == UInt8(ascii: "\n") {
                    body(String(decoding: line, as: UTF8.self))
                    line.removeAll()
                } else if byte != UInt8(ascii: "\r") {
                    line.append(byte)
                }
            }
        }
        if !line.isEmpty { body(String(decoding: line, as: UTF8.self)) }
    }
}
