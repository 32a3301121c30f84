public import JSON

/// A file uploaded by a client, or created for one (OpenAI's *file object*).
public struct StoredFile: Sendable, Hashable {
    public var id: String
    public var owner: String
    public var purpose: String
    public var filename: String
    /// Size in bytes.
    public var byteCount: Int
    /// Seconds since 1970.
    public var createdAt: Int
    /// Seconds since 1970; nil: until deleted.
    public var expiresAt: Int?

    public init(
        id: String, owner: String, purpose: String, filename: String, byteCount: Int, createdAt: Int, expiresAt: Int? = nil
    ) {
        self.id = id
        self.owner = owner
        self.purpose = purpose
        self.filename = filename
        self.byteCount = byteCount
        self.createdAt = createdAt
        self.expiresAt = expiresAt
    }

    /// The `purpose` values that clients may use.
    public static let purposes = ["assistants", "batch", "evals", "fine-tune", "user_data", "vision"]
    /// The purpose of files created by batches.
    public static let batchOutput = "batch_output"

    /// Writes OpenAI's file object.
    public func write(to object: inout JSONObjectWriter) {
        object.field("id", id)
        object.field("object", "file")
        object.field("bytes", byteCount)
        object.field("created_at", createdAt)
        if let expiresAt { object.field("expires_at", expiresAt) } else { object.null("expires_at") }
        object.field("filename", filename)
        object.field("purpose", purpose)
        object.field("status", "processed")
        object.null("status_details")
    }
}

/// Time from a file's creation to its expiry.
public struct ExpiresAfter: Sendable, Hashable, Codable {
    public var seconds: Int

    /// OpenAI's range: one hour to 30 days.
    public static let range = 3600...2_592_000
    /// Default expiry of batch inputs.
    public static let batchSeconds = 2_592_000

    /// - Parameter param: name of the parameter in error messages.
    /// - Throws: ``JobError/invalid(_:param:code:)`` outside of ``range``.
    public init(anchor: String?, seconds: Int?, param: String) throws(JobError) {
        guard anchor == "created_at" else {
            throw .invalid("'\(param)[anchor]' must be 'created_at'.", param: "\(param)[anchor]", code: "invalid_value")
        }
        guard let seconds, Self.range.contains(seconds) else {
            throw .invalid(
                "'\(param)[seconds]' must be a whole number from \(Self.range.lowerBound) to \(Self.range.upperBound).",
                param: "\(param)[seconds]", code: "invalid_value")
        }
        self.seconds = seconds
    }
}

/// Limits of files.
public struct FileLimits: Sendable, Hashable {
    /// Most bytes of one file.
    public var maxFileBytes = 512 << 20
    /// Most bytes of all files of one owner. Files created by batches count, but are not refused.
    public var maxBytesPerOwner = 16 << 30

    public init() {}
}
