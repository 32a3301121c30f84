import Bytes
import JSON

/// Handling of data that is not valid JSON.
enum LenientJSON {
    /// Reads almost valid JSON, repaired if that is unambiguous. Text that is not meant as JSON (a `ping`) is ignored. Text that
    /// begins as JSON but is invalid may have been part of the answer, which would look complete without it.
    /// - Parameter fault: thrown for such text; nil once the answer is complete.
    /// - Returns: whether the data was read.
    static func readRepaired(
        _ data: UnsafeRawBufferPointer, otherwise fault: UpstreamFault?,
        _ read: (UnsafeRawBufferPointer) throws(JSONError) -> Void
    ) throws(UpstreamFault) -> Bool {
        var repaired = ByteBuffer()
        if JSONRepair.repair(data, into: &repaired) {
            do throws(JSONError) {
                try read(repaired.bytes)
                return true
            } catch {}
        }
        let first = data.first { $0 > 0x20 }
        if let fault, first == UInt8(ascii: "{") || first == UInt8(ascii: "[") { throw fault }
        return false
    }

    /// Whether the data is several objects, one a line (NDJSON), instead of one.
    static func isSeveralLines(_ data: UnsafeRawBufferPointer) -> Bool {
        guard let end = data.firstIndex(of: 0x0A) else { return false }
        var reader = JSONReader(UnsafeRawBufferPointer(rebasing: data[..<end]))
        do throws(JSONError) {
            guard try reader.peek() == .object else { return false }
            try reader.skipValue()
            try reader.finish()
        } catch {
            return false
        }
        return data[end...].first { $0 > 0x20 } == UInt8(ascii: "{")
    }
}

extension JSONValue {
    /// Whether the value is as good as null: empty or false, or an object or list of such values. Some servers add such an `error`
    /// to every answer.
    var saysNothing: Bool {
        switch self {
        case .null: true
        case .bool(let value): !value
        case .number(let number): number.double == 0
        case .string(let text): text.allSatisfy(\.isWhitespace)
        case .array(let values): values.allSatisfy(\.saysNothing)
        case .object(let members): members.allSatisfy { $0.value.saysNothing }
        }
    }
}
