import JSON
import Testing

@Suite struct RFC8259Tests {
    private static func input(_ vector: JSONValue) -> [UInt8] {
        if let hex = vector["hex"]?.string { return hexadecimal(hex) }
        return [UInt8]((vector["text"]?.string ?? "").utf8)
    }

    @Test func acceptsAndRefusesWhatTheVectorsSay() throws {
        let vectors = try VectorFile.cases("texts.json")
        #expect(vectors.count >= 80)
        for vector in vectors {
            let name = vector["name"]?.string ?? "?"
            let bytes = Self.input(vector)
            do throws(JSONError) {
                let value = try JSONValue.parse(bytes)
                #expect(name.hasPrefix("y_"), "\(name) was read")
                #expect(value.description.utf8.elementsEqual((vector["compact"]?.string ?? "").utf8), "\(name)")
            } catch {
                #expect(name.hasPrefix("n_"), "\(name): \(error)")
                #expect("\(error.reason)" == vector["reason"]?.string, "\(name): \(error)")
                #expect(error.byteOffset == vector["byteOffset"]?.int, "\(name): \(error)")
            }
        }
    }

    @Test func skippingIsAsStrictAsReading() throws {
        for vector in try VectorFile.cases("texts.json") {
            let name = vector["name"]?.string ?? "?"
            let error = read(Self.input(vector)) { reader -> JSONError? in
                do throws(JSONError) {
                    try reader.skipValue()
                    try reader.finish()
                    return nil
                } catch {
                    return error
                }
            }
            #expect(error.map { "\($0.reason)" } == vector["reason"]?.string, "\(name)")
            #expect(error?.byteOffset == vector["byteOffset"]?.int, "\(name)")
        }
    }

    @Test func everyPrefixOfATextIsRefusedAsUnexpectedEnd() throws {
        let text = [UInt8](#"{"a":[1.5e3,true,false,null,"x\n\ud83d\ude00é"],"b":{"c":-1}}"#.utf8)
        for count in 0..<text.count {
            let reason = #expect(throws: JSONError.self) { try JSONValue.parse(Array(text[..<count])) }?.reason
            // A cut within "é" cannot be told from wrong UTF-8 before the closing quote comes; the end comes first.
            #expect(reason == .unexpectedEnd, "\(count) bytes")
        }
    }

    /// The scan takes 8 or 32 bytes at once by what is left; each way must stop at the same bytes.
    @Test func everyByteAtEveryPlaceOfALongStringIsSeen() {
        for byte in [0x00, 0x1F, 0x20, 0x21, 0x22, 0x23, 0x5B, 0x5C, 0x5D, 0x7F, 0x80, 0xFF] as [UInt8] {
            for place in 0..<110 {
                for after in [0, 1, 9, 40] {
                    var bytes = [UInt8](repeating: UInt8(ascii: "n"), count: place + 1 + after)
                    bytes[place] = byte
                    let quoted = [UInt8(ascii: "\"")] + bytes + [UInt8(ascii: "\"")]
                    let expected: JSONError? =
                        switch byte {
                        case 0x00, 0x1F: JSONError(.unescapedControlCharacter, byteOffset: place + 1)
                        case 0x22: JSONError(.expectedEndOfInput, byteOffset: place + 2)
                        // "\n" is an escape; at the end the backslash takes the closing quote.
                        case 0x5C: after > 0 ? nil : JSONError(.unexpectedEnd, byteOffset: place + 3)
                        case 0x80...: JSONError(.invalidUTF8, byteOffset: place + 1)
                        default: nil
                        }
                    do throws(JSONError) {
                        _ = try JSONValue.parse(quoted)
                        if expected != nil { Issue.record("\(byte) at \(place) before \(after) was read") }
                    } catch {
                        if error != expected { Issue.record("\(byte) at \(place) before \(after): \(error)") }
                    }
                }
            }
        }
    }

    @Test func errorSaysWhereAndWhatToDo() {
        let error = #expect(throws: JSONError.self) { try JSONValue.parse(#"{"a":1,}"#) }
        #expect(error?.description == "invalid JSON at byte 7: expected a key in double quotes")
    }
}
