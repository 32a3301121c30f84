import JSON
import Testing

@Suite struct JSONNumberTests {
    @Test(arguments: [
        "0", "-0", "1.0", "1.10", "1E+2", "1e-400", "123456789012345678901234567890.5", "18446744073709551615",
    ])
    func textPassesThroughUnchanged(_ text: String) throws {
        #expect(try JSONValue.parse("[\(text)]").description == "[\(text)]")
        #expect(JSONNumber(text: text)?.text == text)
    }

    @Test func integersAreReadExactly() throws {
        #expect(try JSONValue.parse("9223372036854775807").int == .max)
        #expect(try JSONValue.parse("-9223372036854775808").int == .min)
        #expect(try JSONValue.parse("9223372036854775808").int == nil)
        #expect(try JSONValue.parse("9007199254740993").int == 9_007_199_254_740_993)
        #expect(try JSONValue.parse("2.0").int == 2)
        #expect(try JSONValue.parse("2e3").int == 2000)
        #expect(try JSONValue.parse("2.5").int == nil)
        #expect(try JSONValue.parse("1e400").int == nil)
    }

    @Test func doublesAreTheNearest() throws {
        #expect(try JSONValue.parse("0.1").double == 0.1)
        #expect(try JSONValue.parse("1e400").double == .infinity)
        #expect(try JSONValue.parse("5e-324").double == .leastNonzeroMagnitude)
        #expect(try JSONValue.parse("1e-400").double == 0)
    }

    @Test func readerAgreesWithTheValue() throws {
        for text in ["0", "-7", "9223372036854775807", "-9223372036854775808", "2.0", "2e3", "0.1", "-1.5e-7"] {
            let value = try JSONValue.parse(text)
            #expect(try read(text) { try $0.readDouble() } == value.double, "\(text)")
            #expect((try? read(text) { try $0.readInt() }) == value.int, "\(text)")
        }
        for text in ["9223372036854775808", "-9223372036854775809", "99999999999999999999", "2.5", "1e400"] {
            let error = #expect(throws: JSONError.self) { try read(text) { try $0.readInt() } }
            #expect(error == JSONError(.integerOutOfRange, byteOffset: 0), "\(text)")
        }
    }

    @Test func doublesWithoutJSONFormAreRefused() {
        #expect(JSONNumber(Double.nan) == nil)
        #expect(JSONNumber(-Double.infinity) == nil)
        #expect(JSONValue(Double.infinity) == .null)
    }

    @Test func everyDoubleIsWrittenAsJSON() throws {
        for value in [0, -0.0, 1, 0.1, 1e16, 1e-5, 1.5e300, .leastNonzeroMagnitude, .greatestFiniteMagnitude, .pi] {
            let number = try #require(JSONNumber(value))
            #expect(JSONNumber(text: number.text) == number)
            #expect(try JSONValue.parse(number.text).double == value)
        }
    }

    @Test(arguments: ["", " 1", "1 ", "01", "+1", "1.", ".5", "0x1", "nan", "1,2"])
    func otherTextIsNoNumber(_ text: String) { #expect(JSONNumber(text: text) == nil) }
}
