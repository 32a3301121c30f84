import Access
import Server
import Testing
import Upstreams

@testable import interject

/// What a text means.
@Suite struct SettingValueTests {
    @Test(arguments: [
        ("1048576", 1 << 20), ("64MiB", 64 << 20), ("64m", 64 << 20), ("1.5GiB", 3 << 29), ("2 KiB", 2048), ("64MB", 64_000_000),
        ("1024b", 1024),
    ])
    func bytes(text: String, expected: Int) throws {
        #expect(try SettingValue.bytes(0...1 << 40)(text) == expected)
    }

    @Test(arguments: ["", "MiB", "-1", "1e300", "nan", "inf", "9999999999999GiB", "64 apples", "0x10"])
    func noBytes(text: String) {
        #expect(throws: InvalidValue.self) { try SettingValue.bytes(1...1 << 40)(text) }
    }

    @Test(arguments: ["", "often", "-1", "nan", "inf", "1e30", "15s"])
    func noSeconds(text: String) {
        #expect(throws: InvalidValue.self) { try SettingValue.seconds(0...3600)(text) }
    }

    @Test func times() throws {
        let read = SettingValue.time(0...31_536_000)
        for text in ["604800", "7d", "168h", "10080m", "604800s"] { #expect(try read(text) == .seconds(604_800)) }
        #expect(try read("0.5h") == .seconds(1800))
        #expect(try read("0.25") == .milliseconds(250))
        for text in ["", "d", "7x", "366d", "-1d", "7dd", "1e3"] { #expect(throws: InvalidValue.self) { try read(text) } }
    }

    @Test func seconds() throws {
        #expect(try SettingValue.seconds(0...3600)("0.25") == .milliseconds(250))
        #expect(try SettingValue.seconds(0...3600)("0") == .zero)
    }

    @Test(arguments: [
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434/v1", UpstreamConfiguration.Dialect.chatCompletions),
        ("http://127.0.0.1:11434/", "http://127.0.0.1:11434/v1", .chatCompletions),
        ("https://example.com/openai/v1/", "https://example.com/openai/v1", .chatCompletions),
        ("anthropic+http://127.0.0.1:9", "http://127.0.0.1:9", .anthropicMessages),
        ("https://api.anthropic.com", "https://api.anthropic.com", .anthropicMessages),
        ("https://api.anthropic.com/v1", "https://api.anthropic.com", .anthropicMessages),
        ("openai+https://api.anthropic.com/v1", "https://api.anthropic.com/v1", .chatCompletions),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1", .chatCompletions),
        ("https://a.example/openai/v1/?api-version=1", "https://a.example/openai/v1?api-version=1", .chatCompletions),
        ("http://a?x=/", "http://a/v1?x=/", .chatCompletions), ("anthropic+http://a/v1?x=1", "http://a?x=1", .anthropicMessages),
    ])
    func upstreams(text: String, base: String, dialect: UpstreamConfiguration.Dialect) throws {
        #expect(try UpstreamURL.read(text) == UpstreamURL(baseURL: base, dialect: dialect))
    }

    @Test(arguments: [
        "", "not a url", "localhost:11434", "ftp://a", "http://", "http:///v1", "http://a:b/v1", "http://a:0", "http://a b",
        "http://[::1", "http://user@host/v1", "grpc+http://a", "http://a/v1#f", "http://a#",
    ])
    func noUpstreams(text: String) {
        #expect(throws: InvalidValue.self) { try UpstreamURL.read(text) }
    }

    @Test func principals() throws {
        #expect(try SettingValue.principal("ada=sk-1") == .init(name: "ada", key: "sk-1"))
        #expect(try SettingValue.principal("ada=sk=1") == .init(name: "ada", key: "sk=1"))
        #expect(try SettingValue.principal("sk-0123456789abcdef") == .init(name: "default", key: "sk-0123456789abcdef"))
        for text in ["", "=", "ada=", "=secret", "no-equals-sign", "env:INTERJECT_NO_SUCH_VARIABLE", "a=file:/no/such/file"] {
            #expect(throws: InvalidValue.self) { try SettingValue.principal(text) }
        }
    }

    @Test func aWrongSecretIsNotRepeated() {
        #expect { try SettingValue.principal("sk-short") } throws: { error in
            (error as? InvalidValue).map { !$0.problem.contains("sk-short") } ?? false
        }
    }

    @Test func origins() throws {
        #expect(try SettingValue.origin("https://example.com:8443") == "https://example.com:8443")
        #expect(try SettingValue.origin("HTTPS://Bücher.example:443") == "https://xn--bcher-kva.example")
        for text in ["*", "null", "chrome-extension://abcdef", "file://"] { #expect(try SettingValue.origin(text) == text) }
        for text in [
            "", "https://*.example.com", "https://a@example.com", "https://127.1", "https://example.com:99999", "example.com",
            "https://", "https://example.com/", "https://example.com/a",
        ] {
            #expect(throws: InvalidValue.self) { try SettingValue.origin(text) }
        }
    }
}
