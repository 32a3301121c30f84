import JSON
import Logging
import Testing

@testable import interject

/// One record, one line, whatever is in it.
@Suite struct LogLineTests {
    private let fields = [(key: "error", value: "no \"such\"\nthing"), (key: "port", value: "80")]

    @Test func text() {
        let line = StandardErrorLog.line(.text, "T", .warning, "two\nlines", fields)
        #expect(line == "T warning two\\nlines error=\"no \\\"such\\\"\\nthing\" port=80\n")
    }

    @Test func json() throws {
        let line = StandardErrorLog.line(.json, "T", .warning, "two\nlines", fields)
        #expect(line.split(separator: "\n").count == 1)
        let object = try JSONValue.parse(String(line.dropLast()))
        #expect(object["level"]?.string == "warning" && object["message"]?.string == "two\nlines" && object["port"]?.string == "80")
    }
}
