import JSON
import Logging
import Testing

@testable import interject

/// One record, one line, whatever is in it.
@Suite struct LogLineTests {
    private let fields: [(key: String, value: Logger.MetadataValue)] = [
        (key: "error", value: "no \"such\"\nthing"), (key: "port", value: .stringConvertible(80)), (key: "name", value: "80"),
        (key: "isLate", value: .stringConvertible(true)), (key: "all", value: ["a", .stringConvertible(1.5)]),
    ]

    @Test func text() {
        let line = StandardErrorLog.line(.text, "T", .warning, "two\nlines", fields)
        #expect(
            line
                == "T warning two\\nlines error=\"no \\\"such\\\"\\nthing\" port=80 name=80 isLate=true all=\"[\\\"a\\\", \\\"1.5\\\"]\"\n"
        )
    }

    @Test func json() throws {
        let line = StandardErrorLog.line(.json, "T", .warning, "two\nlines", fields)
        #expect(line.split(separator: "\n").count == 1)
        let object = try JSONValue.parse(String(line.dropLast()))
        #expect(object["level"]?.string == "warning" && object["message"]?.string == "two\nlines" && object["port"]?.int == 80)
        #expect(object["name"]?.string == "80" && object["isLate"]?.bool == true && object["all"]?[1]?.double == 1.5)
    }
}
