import Network
import Testing
import Upstreams

@testable import interject

@Suite struct StartMessageTests {
    private func text(model: String?, upstream: Bool = true, needsKey: Bool = false) -> String {
        var settings = ServeSettings()
        if upstream { settings.upstreams = [UpstreamURL(baseURL: "http://127.0.0.1:11434/v1", dialect: .chatCompletions)] }
        return StartMessage(
            settings: settings, addresses: [.tcp(host: "127.0.0.1", port: 8080)], program: "interject", needsKey: needsKey,
            model: model
        ).text
    }

    @Test func aModelThatIsKnownIsInTheExample() {
        #expect(text(model: "llama3.2:1b").contains("{\"model\":\"llama3.2:1b\""))
        #expect(!text(model: "llama3.2:1b").contains("MODEL"))
        #expect(text(model: nil, upstream: false).contains("{\"model\":\"rehearsal\""))
    }

    @Test func elseItSaysHowToSeeThem() {
        #expect(text(model: nil).contains("{\"model\":\"MODEL\""))
        #expect(text(model: nil).contains("(MODEL: one of curl http://127.0.0.1:8080/v1/models)"))
        #expect(
            text(model: nil, needsKey: true).contains(
                "one of curl http://127.0.0.1:8080/v1/models -H \"Authorization: Bearer $KEY\")"))
    }

    @Test(arguments: ["a'; rm -rf x; '", "a b", "", "$(x)", "a\"b", "\u{1B}[2J", "é"])
    func aNameThatAShellWouldReadIsNotPutThere(name: String) {
        #expect(text(model: name).contains("{\"model\":\"MODEL\""))
    }
}
