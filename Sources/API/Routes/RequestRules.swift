import Access
import HTTP

/// What holds for the header of every request, whatever it asks for.
enum RequestRules {
    /// Fields of which a request has one at most: of two, this server and a proxy in front of it could believe different ones
    /// (RFC 9110 §5.3).
    private static let singleFields = [
        "authorization", "x-api-key", "origin", "content-type", "idempotency-key", "last-event-id", "sec-fetch-site",
        "interject-on-disconnect",
    ]

    /// - Parameter needsKey: whether somebody's key is looked at.
    /// - Throws: ``APIError`` 400 for a field that is there twice, and for two different credentials.
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
