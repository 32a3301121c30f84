import HTTP
import Testing

@Suite struct HeaderFieldsTests {
    @Test func keepsOrderAndTrims() throws {
        var fields = HeaderFields()
        try fields.append("A", " 1 ")
        try fields.append("a", "2")
        #expect(fields.map(\.name) == ["A", "a"] && fields.values(of: "A") == ["1", "2"])
        #expect(fields.description == "A: 1\na: 2")
    }

    @Test(arguments: ["", "a b", "a:", "é", "a\r\n"])
    func refusesNamesThatAreNoTokens(name: String) {
        var fields = HeaderFields()
        #expect(throws: FieldError.invalidName(name)) { try fields.append(name, "x") }
        #expect(fields.isEmpty)
    }

    @Test(arguments: ["a\r\nB: c", "a\nb", "a\rb", "\0", "12345678\u{7F}"])
    func refusesValuesThatWouldInject(value: String) {
        var fields = HeaderFields()
        #expect(throws: FieldError.invalidValue(name: "A")) { try fields.append("A", value) }
        #expect(fields.isEmpty)
    }

    /// The check takes eight octets at a time: each ASCII octet is tried at each place of a word and of the rest.
    @Test func controlCharactersAreFoundAtEveryPlace() {
        for octet in UInt8(0)..<128 {
            let isAllowed = octet == 9 || (octet >= 32 && octet != 127)
            for position in 0..<19 {
                var octets = [UInt8](repeating: UInt8(ascii: "x"), count: 19)
                octets[position] = octet
                var fields = HeaderFields()
                try? fields.append("A", String(decoding: octets, as: UTF8.self))
                if fields.isEmpty == isAllowed { Issue.record("octet \(octet) at \(position)") }
            }
        }
    }
}
