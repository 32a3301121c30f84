import API
import Access
import HTTP
import ResponsesWire
import Sessions

/// What a client may say of its answer by body, header, key or setting, in this order.
extension Call {
    private static let cutFormField = "interject-cut-as"
    private static let disconnectField = "interject-on-disconnect"

    /// How long a response goes on without a listener if its command has an idempotency key.
    private static let onceGrace = Duration.seconds(30)

    /// The form in which the client is told of a cut.
    func cutForm(_ members: InterjectMembers? = nil) throws(APIError) -> CutForm {
        // A header that is wrong is refused also where it does not count.
        let named = try request.fields[Self.cutFormField].map { (text) throws(APIError) in
            try checked(try CutForm.parse(text, param: "Interject-Cut-As"))
        }
        return members?.cutForm ?? named ?? caller.cutForm
    }

    /// Whether a header names the disconnect policy.
    var namesDisconnectPolicy: Bool { request.fields[Self.disconnectField] != nil }

    /// The disconnect policy of the response that the call begins.
    func disconnectPolicy(_ members: InterjectMembers, default missing: DisconnectPolicy) throws(APIError) -> DisconnectPolicy {
        if let policy = members.policy { return policy }
        guard let text = request.fields[Self.disconnectField] else {
            // A client that sends an idempotency key comes back for the response when the connection breaks.
            return onceResponseID != nil && missing == .cancel ? .grace(Self.onceGrace) : missing
        }
        return try checked(try DisconnectPolicy.parse(text, param: "Interject-On-Disconnect"))
    }
}
