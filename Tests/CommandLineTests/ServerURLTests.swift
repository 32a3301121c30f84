import Network
import Testing

@testable import interject

@Suite struct ServerURLTests {
    @Test(arguments: [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"), ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080"), ("https://ai.example/v1/", "https://ai.example"),
        ("localhost:8080", "http://localhost:8080"), ("localhost:8080/v1", "http://localhost:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
    ])
    func aServersURLIsTakenAsPeopleWriteIt(text: String, shown: String) throws {
        #expect(try ServerURL.read(text).text == shown)
    }

    @Test(arguments: ["nonsense", "http://127.0.0.1:8080/v2", "ftp://a:1", "localhost", "a b:80", ""])
    func whatIsNoURLIsSaid(text: String) {
        #expect(throws: InvalidValue.self) { try ServerURL.read(text) }
    }
}
