import JSON
import Testing

@testable import JSONSchema

@Suite struct JSONSchemaTests {
    private func violation(_ schema: String, _ value: String) throws -> JSONSchema.Violation? {
        try JSONSchema(JSONValue.parse(schema)).firstViolation(in: JSONValue.parse(value))
    }

    /// Schema, values that meet it, values that do not.
    static let cases: [(schema: String, valid: [String], invalid: [String])] = [
        ("true", ["1", "null", "{}"], []),
        ("false", [], ["1", "null"]),
        (#"{"type":"integer"}"#, ["1", "-7", "1.0", "1e3"], ["1.5", "\"1\"", "null", "true"]),
        (#"{"type":["string","null"]}"#, ["\"\"", "null"], ["0", "[]"]),
        (#"{"type":"number","minimum":0,"exclusiveMaximum":1}"#, ["0", "0.5"], ["-1", "1", "1.0"]),
        (#"{"multipleOf":0.1}"#, ["0.3", "7", "\"x\""], ["0.25"]),
        (#"{"enum":["a",1,{"b":[2]}]}"#, ["\"a\"", "1.0", #"{"b":[2.0]}"#], ["\"b\"", "2", "{}"]),
        (#"{"const":{"a":1,"b":2}}"#, [#"{"b":2,"a":1}"#], [#"{"a":1}"#, "null"]),
        (
            #"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}"#,
            [#"{"a":"x"}"#], ["{}", #"{"a":1}"#, #"{"a":"x","b":1}"#, "[]"]
        ),
        (
            #"{"additionalProperties":{"type":"integer"},"maxProperties":2}"#, [#"{"a":1}"#, "{}"],
            [#"{"a":""}"#, #"{"a":1,"b":1,"c":1}"#]
        ),
        (#"{"patternProperties":{"^x-":true},"additionalProperties":false}"#, [#"{"x-a":1}"#], [#"{"y":1}"#]),
        (#"{"propertyNames":{"maxLength":2},"dependentRequired":{"a":["b"]}}"#, [#"{"a":1,"b":1}"#], [#"{"abc":1}"#, #"{"a":1}"#]),
        (#"{"items":{"type":"integer"},"minItems":1,"maxItems":2}"#, ["[1]", "[1,2]"], ["[]", "[1,2,3]", "[\"a\"]"]),
        (#"{"prefixItems":[{"type":"string"}],"items":false}"#, ["[]", "[\"a\"]"], ["[1]", "[\"a\",1]"]),
        (#"{"uniqueItems":true}"#, ["[1,2]", "[]"], ["[1,1.0]", #"[{"a":1},{"a":1}]"#]),
        (#"{"contains":{"const":1},"maxContains":2}"#, ["[1]", "[0,1,1]"], ["[]", "[1,1,1]"]),
        (#"{"minLength":2,"maxLength":3}"#, ["\"ab\"", "\"äöü\"", "\"👍👍\""], ["\"a\"", "\"abcd\""]),
        (#"{"pattern":"^[a-z]+\\d{2}$"}"#, ["\"ab12\"", "7"], ["\"AB12\"", "\"ab1\"", "\"ab123\""]),
        (#"{"anyOf":[{"type":"string"},{"minimum":5}]}"#, ["\"a\"", "5", "null"], ["4"]),
        (#"{"oneOf":[{"multipleOf":2},{"multipleOf":3}]}"#, ["2", "3"], ["6", "5"]),
        (#"{"allOf":[{"minimum":1},{"maximum":2}]}"#, ["1", "2"], ["0", "3"]),
        (#"{"not":{"type":"string"}}"#, ["1"], ["\"a\""]),
        (#"{"if":{"type":"string"},"then":{"minLength":1},"else":{"const":0}}"#, ["\"a\"", "0"], ["\"\"", "1"]),
        (#"{"maximum":9007199254740992}"#, ["9007199254740992", "9007199254740992.0"], ["9007199254740993"]),
        (#"{"exclusiveMinimum":1.5,"maximum":2}"#, ["1.6", "2", "2.0"], ["1.5", "2.1", "1"]),
        (##"{"$ref":"#/$defs/a%20b%C3%A9","$defs":{"a bé":{"type":"null"}}}"##, ["null"], ["1"]),
        (##"{"$ref":"#/$defs/100%25~1%zz","$defs":{"100%/%zz":{"type":"null"}}}"##, ["null"], ["1"]),
        (##"{"$ref":"#/$defs/a~1b","$defs":{"a/b":{"type":"null"}}}"##, ["null"], ["1"]),
        (
            ##"{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["next"]}}}"##,
            [#"{"next":{"next":null}}"#], [#"{"next":{"next":1}}"#, "{}"]
        ),
        (
            ##"{"properties":{"children":{"type":"array","items":{"$ref":"#"}}},"required":["children"]}"##,
            [#"{"children":[{"children":[]}]}"#], [#"{"children":[{}]}"#]
        ),
        (#"{"format":"email","title":"t","x-mine":1}"#, ["\"no mail\""], []),
    ]

    @Test(arguments: cases.indices) func keywords(_ index: Int) throws {
        let entry = Self.cases[index]
        for value in entry.valid { #expect(try violation(entry.schema, value) == nil, "\(value) meets \(entry.schema)") }
        for value in entry.invalid { #expect(try violation(entry.schema, value) != nil, "\(value) does not meet \(entry.schema)") }
    }

    @Test func aViolationSaysWhereItIs() throws {
        let schema = #"{"properties":{"a/b":{"items":{"properties":{"n":{"type":"integer"}}}}}}"#
        #expect(
            try violation(schema, #"{"a/b":[{"n":1},{"n":"x"}]}"#)
                == JSONSchema.Violation(path: "/a~1b/1/n", message: "must be of type integer"))
        // A branch that failed leaves no trace in the place of what comes after it.
        let branches = #"{"anyOf":[{"properties":{"a":{"type":"string"}}},{"required":["b"]}],"required":["c"]}"#
        #expect(try violation(branches, #"{"a":1}"#)?.path == "")
    }

    @Test(arguments: [
        "1", #"{"type":"text"}"#, #"{"type":[]}"#, #"{"enum":[]}"#, #"{"enum":"a"}"#, #"{"required":"a"}"#, #"{"properties":[]}"#,
        #"{"properties":{"a":7}}"#, #"{"anyOf":[]}"#, ##"{"$ref":"#/nowhere"}"##, #"{"$ref":"https://example.com/x"}"#,
        #"{"pattern":"("}"#, #"{"pattern":"(?=a)"}"#, #"{"pattern":"(a)\\1"}"#, #"{"minLength":-1}"#,
        #"{"minItems":2,"maxItems":1}"#,
        #"{"multipleOf":0}"#, #"{"minimum":"1"}"#, #"{"unevaluatedProperties":false}"#, #"{"$defs":{"a":1}}"#,
    ]) func aBadSchemaIsRefused(_ schema: String) throws {
        let value = try JSONValue.parse(schema)
        #expect(throws: JSONSchemaError.self) { try JSONSchema(value) }
    }

    @Test func recursionWithoutEndEnds() throws {
        #expect(try violation(##"{"$ref":"#"}"##, "1")?.message == "is nested too deep to be checked")
        #expect(try violation(##"{"anyOf":[{"$ref":"#"},{"$ref":"#"},{"$ref":"#"}]}"##, "1") != nil)
    }

    @Test func whatCouldNotBeCheckedIsNotValid() throws {
        #expect(try violation(##"{"not":{"$ref":"#/$defs/a"},"$defs":{"a":{"$ref":"#/$defs/a"}}}"##, "1") != nil)
    }

    @Test func aSchemaTooDeepIsRefused() throws {
        let deep = String(repeating: #"{"not":"#, count: 70) + "{}" + String(repeating: "}", count: 70)
        let value = try JSONValue.parse(deep)
        #expect(throws: JSONSchemaError.self) { try JSONSchema(value) }
    }

    // MARK: Patterns

    static let patterns: [(pattern: String, matching: [String], other: [String])] = [
        ("a|bc", ["a", "xbcx"], ["b", ""]),
        ("^(?:ab)+$", ["ab", "abab"], ["", "aba"]),
        ("^(?<year>\\d{4})-(0[1-9]|1[0-2])$", ["2026-11"], ["2026-13", "26-11", "2026-111"]),
        ("^[^a-c\\s]?$", ["", "d", "é"], ["a", " ", "dd"]),
        ("^.$", ["x", "👍"], ["", "\n", "xx"]),
        ("\\bcat\\b", ["a cat.", "cat"], ["cats", "concat"]),
        ("^a{2,3}?$", ["aa", "aaa"], ["a", "aaaa"]),
        ("^[\\w.+-]+@[\\w-]+\\.[a-z]{2,}$", ["a.b+c@d-e.org"], ["a@b", "@b.org"]),
        ("^\\u0041\\x42\\u{1F44D}$", ["AB👍"], ["AB"]),
        ("^[\\]\\-a]$", ["]", "-", "a"], ["b"]),
        ("", ["", "x"], []),
    ]

    @Test(arguments: patterns.indices) func patternsMatch(_ index: Int) throws {
        let entry = Self.patterns[index]
        let pattern = try JSONPattern(entry.pattern)
        for text in entry.matching { #expect(pattern.matches(text) == true, "\(entry.pattern) matches \(text)") }
        for text in entry.other { #expect(pattern.matches(text) == false, "\(entry.pattern) does not match \(text)") }
    }

    @Test func aHostilePatternTakesNoLongerThanAnother() throws {
        let text = String(repeating: "a", count: 5000) + "!"
        for pattern in ["^(a+)+$", "^(a|a)*$", "^(a*)*b$", "(.*)*x"] { #expect(try JSONPattern(pattern).matches(text) == false) }
        #expect(throws: JSONPatternError.self) { try JSONPattern("((((a{100}){100}){100}){100})") }
    }
}
