import Access
import HTTP

/// Rules for the header of every request.
enum RequestRules {
    /// Fields that may occur only once: of two, this server and a proxy in front of it could use different ones (RFC 9110 §5.3).
    private static let singleFields = [
        "authorization", "x-api-key", "origin", "content-type", "idempotency-key", "last-event-id", "sec-fetch-site",
        "interject-on-disconnect",
    ]

    /// - Parameter needsKey: whether a key is checked.
    /// - Throws: ``APIError`` 400 for a repeated field, or for two different credentials.
    static func check(_ request: RequestHead, needsKey: Bool) throws(APIError) {
        for name in singleFields where request.fields.count(of: name) > 1 {
            throw .invalid("There is more than one '\(name)' header: send one.", code: "repeated_header")
        }
        if needsKey, Set(Authentication.keys(request)).count > 1 {
            throw .invalid(
                "The request bears two different keys: send one, as 'Authorization: Bearer KEY' or as 'x-api-key: KEY'.",
                code: "ambiguous_credentials")
        }
    }
}
