import HTTP
import Testing

@Suite struct RequestTargetTests {
    func target(_ text: String, method: String = "GET") -> RequestTarget? {
        let host = text.hasPrefix("http://h:8080") ? "h:8080" : "h"
        let request = "\(method) \(text) HTTP/1.1\r\nHost: \(host)\r\n\r\n"
        return readRequests(Array(request.utf8).asOnePart).heads.first?.target
    }

    @Test(arguments: [
        ("/", []), ("/v1/responses", ["v1", "responses"]), ("/v1/", ["v1", ""]), ("//a", ["", "a"]),
        ("/a%2Fb/c%20d?x/y", ["a/b", "c d"]), ("/%C3%A9+", ["é+"]), ("/%ff", ["\u{FFFD}"]),
        ("/a/../b", ["a", "..", "b"]),
        ("http://h:8080/x/y?z", ["x", "y"]), ("http://h", []), ("http://h?q", []),
    ])
    func segmentsOfThePath(text: String, segments: [String]) {
        #expect(target(text)?.pathSegments == segments)
    }

    @Test func partsAreTheRawText() {
        let absolute = target("http://h:8080/x%20y?z=%20?")
        #expect(absolute?.form == .absolute && absolute?.authority == "h:8080")
        #expect(absolute?.path == "/x%20y" && absolute?.query == "z=%20?")
        let origin = target("/a?")
        #expect(origin?.path == "/a" && origin?.query == "" && origin?.authority == nil)
        #expect(target("/a")?.query == nil)
        let asterisk = target("*", method: "OPTIONS")
        #expect(asterisk?.path == "" && asterisk?.query == nil && asterisk?.pathSegments == [])
    }

    @Test func queryItemsAreDecodedInOrder() {
        let items = target("/a?b=1&c=x+y%26z&&d&b=2&e=%zz&=v&f=a=b")?.queryItems
        #expect(items?["b"] == "1" && items?["c"] == "x y&z" && items?["d"] == "" && items?["e"] == "%zz")
        #expect(items?[""] == "v" && items?["f"] == "a=b" && items?["x"] == nil)
        #expect(items?.items.count == 7)
    }

    @Test func arraysComeInTheSpellingsOfTheSDKs() {
        let items = target(
            "/a?include[]=a&include%5B%5D=b&include[0]=c&include=d&included=no&include[x]=no&include]=no")?.queryItems
        #expect(items?.array("include") == ["a", "b", "c", "d"])
        #expect(items?.array("other") == [])
    }
}
