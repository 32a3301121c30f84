import API
import Access
import HTTP
import ResponsesWire
import Sessions

/// The client's preferences for its response, from body, header, key or setting, in this order.
extension Call {
    private static let cutFormField = "interject-cut-as"
    private static let disconnectField = "interject-on-disconnect"

    /// How long a response continues without a listener if its command has an idempotency key.
    private static let onceGrace = Duration.seconds(30)

    /// How the client is told of a cut.
    func cutForm(_ members: InterjectMembers? = nil) throws(APIError) -> CutForm {
        // An invalid header field is refused even if the body overrides it.
        let named = try request.fields[Self.cutFormField].map { (text) throws(APIError) in
            try checked(try CutForm.parse(text, param: "Interject-Cut-As"))
        }
        return members?.cutForm ?? named ?? caller.cutForm
    }

    /// Whether a header field specifies the disconnect policy.
    var namesDisconnectPolicy: Bool { request.fields[Self.disconnectField] != nil }

    /// The disconnect policy of the response that the call begins.
    func disconnectPolicy(_ members: InterjectMembers, default missing: DisconnectPolicy) throws(APIError) -> DisconnectPolicy {
        if let policy = members.policy { return policy }
        guard let text = request.fields[Self.disconnectField] else {
            // A client with an idempotency key returns for the response after a broken connection.
            return onceResponseID != nil && missing == .cancel ? .grace(Self.onceGrace) : missing
        }
        return try checked(try DisconnectPolicy.parse(text, param: "Interject-On-Disconnect"))
    }
}
