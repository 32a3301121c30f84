import Testing

@testable import Jobs

@Suite struct WebhookRegistryTests {
    private func endpoint(
        _ id: String, owner: String?, types: [String] = ["response.completed"], responses: WebhookEndpoint.Responses = .background
    ) -> WebhookEndpoint {
        WebhookEndpoint(
            id: id, owner: owner, name: "", url: "https://example.com/", eventTypes: types, responses: responses,
            secrets: WebhookSecrets(.random()), createdAt: 0)
    }

    @Test func onlyThoseAreToldWhomItConcerns() {
        var disabled = endpoint("disabled", owner: "ann")
        disabled.state = .disabled(at: 0, reason: "")
        let registry = WebhookRegistry()
        registry.set([
            endpoint("background", owner: "ann"), endpoint("all", owner: "ann", responses: .all),
            endpoint("other type", owner: "ann", types: ["batch.failed"]), endpoint("other owner", owner: "bob"),
            endpoint("operator", owner: nil), disabled,
        ])
        func receivers(_ owner: String, isBackground: Bool) -> [String]? {
            registry.receivers(owner: owner, isBackground: isBackground) {
                WebhookEvent(type: "response.completed", owner: owner, objectID: "r", createdAt: 0)
            }?.endpointIDs.sorted()
        }
        #expect(receivers("ann", isBackground: true) == ["all", "background", "operator"])
        #expect(receivers("ann", isBackground: false) == ["all"])
        #expect(receivers("bob", isBackground: true) == ["operator", "other owner"])
        #expect(receivers("eve", isBackground: false) == nil)
    }
}
