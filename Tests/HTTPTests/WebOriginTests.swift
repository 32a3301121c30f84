import HTTP
import Testing

/// Origins as browsers compare them.
@Suite struct WebOriginTests {
    @Test(arguments: [
        ("https://Example.COM:443", "https://example.com"), ("HTTP://a:80", "http://a"), ("http://a:8080", "http://a:8080"),
        ("http://[0:0::1]:80", "http://[::1]"), ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://BÜCHER.example", "https://xn--bcher-kva.example"), ("https://例え.テスト", "https://xn--r8jz45g.xn--zckzah"),
        ("https://例え。テスト", "https://xn--r8jz45g.xn--zckzah"), ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"), ("file://", "file://"), ("app://.", "app://."),
    ])
    func oneFormForEach(text: String, canonical: String) {
        #expect(WebOrigin(text)?.description == canonical)
    }

    @Test(arguments: [
        "", "null", "*", "example.com", "https://", "https:/a", "https://a/", "https://a/b", "https://a?b", "https://a@b",
        "https://a:65536", "https://a:-1", "https://a b", "https://*.a", "http://[::1", "http://[127.0.0.1]", "http://127.1",
        "http://1.2.3.4.5", "1http://a", "http://a,http://b", "https://a\u{308}.example",
    ])
    func anythingElseIsNone(text: String) { #expect(WebOrigin(text) == nil) }

    @Test(arguments: [
        ("http://localhost", true), ("http://LOCALHOST.:1", true), ("https://app.localhost:3000", true), ("http://127.9.9.9", true),
        ("http://[::1]:8080", true), ("http://[::ffff:127.0.0.1]", false), ("http://localhost.example", false),
        ("http://127.0.0.1.example", false), ("tauri://localhost", false), ("http://notlocalhost", false),
    ])
    func whatIsThisMachine(text: String, isLoopback: Bool) { #expect((WebOrigin(text)?.isLoopback ?? false) == isLoopback) }

    @Test(arguments: [
        ("http://a", "a", true), ("https://a", "A:443", true), ("http://a:8080", "a:8080", true), ("http://a", "a:8080", false),
        ("https://a", "a:80", false), ("http://a", "b", false), ("tauri://a", "a", false),
    ])
    func aPageOfTheHostThatItCalls(origin: String, authority: String, isServed: Bool) throws {
        #expect(try #require(WebOrigin(origin)).isServed(by: authority) == isServed)
    }
}
