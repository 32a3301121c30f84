/// The subject of an upstream's error. Determines the client's error and whether another upstream is tried.
enum UpstreamErrorMatter {
    /// The configured key was rejected.
    case key
    /// The account has no credit or is closed.
    case account
    /// The upstream does not serve this region.
    case region
    /// The model or the path does not exist.
    case model
    /// The content was refused.
    case moderation
    /// Rate limit.
    case pace
    /// The request is invalid.
    case request
    /// The upstream has failed.
    case upstream
}

extension UpstreamErrorObject {
    /// The HTTP status that an error without one corresponds to.
    package var impliedStatus: Int {
        status ?? code.flatMap(Self.status(ofWord:)) ?? type.flatMap(Self.status(ofWord:)) ?? 500
    }

    /// The HTTP status that an error's name corresponds to, in the terms of OpenAI, Anthropic, gRPC, AWS, vLLM and llama.cpp.
    static func status(ofWord word: String) -> Int? {
        var name = key(word)
        for ending in ["error", "exception"] where name.hasSuffix(ending) && name != ending {
            name = String(name.dropLast(ending.count))
        }
        return statuses[name]
    }

    /// Letters and digits in lower case, so that `INVALID_ARGUMENT`, `InvalidArgument` and `invalid-argument` are equal.
    private static func key(_ word: String) -> String {
        String(word.prefix(100).lowercased().unicodeScalars.filter { $0.properties.isAlphabetic || ("0"..."9").contains($0) })
    }

    private static let statuses: [String: Int] = {
        let names: [Int: String] = [
            400: """
            badrequest invalidrequest invalidargument invalidprompt invalidparameter invalidvalue invalidtype invalidschema \
            failedprecondition outofrange validation contextlengthexceeded exceedcontextsize stringabovemaxlength \
            stringtoolong missingrequiredparameter unsupportedparameter unsupportedvalue unknownparameter \
            contentpolicyviolation contentfilter datainspectionfailed invalidfunctionparameters inputtoolong
            """,
            401:
                "authentication unauthenticated unauthorized invalidapikey incorrectapikey invalidauthentication unrecognizedclient expiredtoken",
            402: "billing paymentrequired insufficientbalance insufficientcredits insufficientfunds arrearage",
            403: "permission permissiondenied forbidden accessdenied unsupportedcountryregionterritory",
            404: "notfound modelnotfound resourcenotfound modelnotexist modeldecommissioned",
            408: "requesttimeout",
            409: "conflict aborted alreadyexists",
            413: "requesttoolarge payloadtoolarge contenttoolarge",
            422: "unprocessableentity",
            429: """
            ratelimit ratelimitexceeded ratelimitreached resourceexhausted throttling throttled toomanyrequests \
            insufficientquota quotaexceeded servicequotaexceeded requestlimitexceeded modelnotready
            """,
            500: "api internal internalserver server unknown dataloss generation",
            501: "unimplemented notimplemented notsupported",
            503: "unavailable serviceunavailable engineoverloaded modeloverloaded",
            504: "timeout deadlineexceeded modeltimeout gatewaytimeout",
            529: "overloaded",
        ]
        var statuses: [String: Int] = [:]
        for (status, words) in names { for word in words.split(separator: " ") { statuses[String(word)] = status } }
        return statuses
    }()

    /// The subject, by the status and the names; by the message if those do not decide.
    func matter(of status: Int) -> UpstreamErrorMatter {
        guard (400..<500).contains(status) else { return .upstream }
        let names = [code, type].compactMap { $0.map(Self.key) }
        let words = message?.prefix(UpstreamLimits.maxMessageCharacters).lowercased() ?? ""
        func has(_ matter: (names: Set<String>, words: [String])) -> Bool {
            names.contains(where: matter.names.contains) || matter.words.contains(where: words.contains)
        }
        switch status {
        case 401: return .key
        case 402: return .account
        case 404, 405, 410: return .model
        case 408, 409, 425, 499: return .upstream
        case 429: return names.contains("insufficientquota") || names.contains("billinghardlimitreached") ? .account : .pace
        case 451: return .region
        default: break
        }
        if isModeration || has(Self.moderation) { return .moderation }
        if has(Self.region) { return .region }
        if has(Self.account) { return .account }
        if has(Self.model) { return .model }
        // A 403 without a message, or with one that only repeats the status, can only mean the key.
        let saysNothing = words.isEmpty || words.count < 40 && words.contains("forbidden")
        if status == 403, saysNothing || has(Self.keys) { return .key }
        return status == 403 || status == 407 || status == 421 || status == 424 || status == 426 ? .upstream : .request
    }

    private static let moderation: (names: Set<String>, words: [String]) = (
        [
            "contentpolicyviolation", "contentfilter", "moderationblocked", "datainspectionfailed", "responsibleaipolicyviolation",
            "promptblocked", "sensitive", "safety",
        ],
        [
            "flagged", "moderation", "content policy", "content management policy", "usage polic", "safety system",
            "prohibited content",
            "inappropriate content", "violates our",
        ]
    )
    private static let region: (names: Set<String>, words: [String]) = (
        ["unsupportedcountryregionterritory", "unsupportedregion"],
        [
            "location is not supported", "country, region, or territory", "in your country", "in your region",
            "unsupported country", "your location",
        ]
    )
    private static let account: (names: Set<String>, words: [String]) = (
        ["billingerror", "insufficientquota", "insufficientbalance", "insufficientcredits", "arrearage", "accountdeactivated"],
        [
            "credit balance", "insufficient credit", "insufficient balance", "insufficient funds", "out of credits",
            "payment required",
            "account is not active", "account balance", "overdue",
        ]
    )
    private static let model: (names: Set<String>, words: [String]) = (
        [
            "modelnotfound", "modelnotfounderror", "modeldecommissioned", "modelnotexist", "modelnotavailable", "unknownmodel",
            "invalidmodel",
        ],
        [
            "model not found", "model not exist", "decommissioned", "unknown model", "no such model", "not a valid model",
            "does not have access to model",
        ]
    )
    private static let keys: (names: Set<String>, words: [String]) = (
        [
            "invalidapikey", "incorrectapikey", "authenticationerror", "unauthenticated", "unauthorized",
            "unrecognizedclientexception",
        ],
        [
            "api key", "api-key", "apikey", "api_key", "credential", "authenticat", "unauthorized", "not authorized", "bearer",
            "access token", "invalid token", "security token", "signature",
        ]
    )
}
