import Testing

@testable import Jobs

@Suite struct WebhookURLTests {
    private func problem(_ text: String, allowsPrivate: Bool = false) -> WebhookURL.Problem? {
        do throws(WebhookURL.Problem) {
            _ = try WebhookURL(text, allowsPrivate: allowsPrivate)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [
        "https://example.com/hook?key=1", "http://example.com", "https://example.com:8443/", "HTTPS://Example.COM/",
        "https://93.184.216.34/", "https://[2606:4700::1111]:443/", "https://mylocal.example/",
    ])
    func addressesOfThePublicInternetAreTaken(_ text: String) { #expect(problem(text) == nil) }

    @Test(arguments: [
        "http://127.0.0.1/", "http://127.0.0.1:9000/", "https://10.1.2.3/", "http://192.168.0.1:8080/", "https://[::1]/",
        "http://169.254.169.254/latest/meta-data", "https://[fd00:ec2::254]/", "https://[::ffff:10.0.0.1]/",
        "http://localhost:9000/",
        "http://LOCALHOST:9000/", "http://a.localhost/", "http://printer.local/", "http://db.internal./", "http://0.0.0.0/",
        "http://[64:ff9b::7f00:1]/",
    ])
    func privateOnesOnlyWhenAllowed(_ text: String) {
        guard case .privateHost = problem(text) else {
            Issue.record("\(text): \(String(describing: problem(text)))")
            return
        }
        #expect(problem(text, allowsPrivate: true) == nil)
    }

    @Test(arguments: [22, 25, 110, 143, 587, 993, 1023])
    func portsOfOtherProtocolsOnlyWhenAllowed(_ port: Int) {
        #expect(problem("https://example.com:\(port)/") == .port(port))
        #expect(problem("https://example.com:\(port)/", allowsPrivate: true) == nil)
    }

    @Test(arguments: [
        "", "example.com", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "https://", "https:///path",
        "https://exa mple.com/", "https://example.com/#part", "https://example.com:0/", "https://example.com:99999/",
        "https://example.com:x/", "https://[::1", "https://[example.com]/", "https://exämple.com/",
        "https://example.com\\@10.0.0.1/",
        "https://example.com/\r\nX: y",
    ])
    func whatIsNoAbsoluteURLIsRefused(_ text: String) { #expect(problem(text, allowsPrivate: true) == .notAbsolute) }

    @Test func credentialsAndLongOnesAreRefused() {
        #expect(problem("https://user:word@example.com/") == .credentials)
        #expect(problem("https://example.com/" + String(repeating: "a", count: 2048)) == .tooLong)
    }
}
