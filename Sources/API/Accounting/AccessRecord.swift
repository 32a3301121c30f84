import Bytes
import HTTP
package import Logging
import Network
import Sessions
import Synchronization

/// One request's entry in the access log, gathered where each part is known: the request on its connection's loop, its generation
/// on the session's. A single line has all of it if the HTTP response waits for the generation; otherwise the generation gets its
/// own line when it ends.
package final class AccessRecord: Sendable {
    /// How long a request's line waits for the end of its generation, which comes shortly before or after that of the HTTP
    /// response.
    static let patience = Duration.seconds(1)

    private struct State {
        var metadata: Logger.Metadata
        var isWritten = false
        /// Whether a generation was begun and has not ended.
        var isGenerating = false
        /// Whether the request is over and its line waits for the generation.
        var isWaiting = false
    }

    private let logger: Logger
    private let state: Mutex<State>

    /// - Parameter logger: writes the lines at `info`.
    init(_ logger: Logger, _ metadata: Logger.Metadata = [:]) {
        self.logger = logger
        state = Mutex(State(metadata: metadata))
    }

    func set(_ key: String, _ value: String) { state.withLock { $0.metadata[key] = "\(value)" } }

    /// The request began a generation.
    func began(_ responseID: String) {
        state.withLock {
            $0.isGenerating = true
            $0.metadata["response_id"] = "\(responseID)"
        }
    }

    /// The generation did not begin.
    func abandoned() { finish { $0.isGenerating = false } }

    /// The generation has ended.
    /// - Parameter elapsed: time since its admission.
    func ended(_ generation: Generation, elapsed: Duration) {
        let more = Self.metadata(of: generation)
        let line = state.withLock { state -> Logger.Metadata? in
            state.isGenerating = false
            state.metadata.merge(more) { $1 }
            guard state.isWritten else { return nil }
            // Status and duration are in the request's own line.
            var line = state.metadata
            for key in ["status", "method", "path"] { line[key] = nil }
            line["duration_ms"] = .stringConvertible(elapsed.nanoseconds / 1_000_000)
            return line
        }
        if let line { logger.info("response", metadata: line) } else { finish { _ in } }
    }

    /// The request has ended.
    /// - Returns: whether ``write()`` must be called after ``patience``.
    func requestEnded(_ metadata: Logger.Metadata) -> Bool {
        state.withLock {
            $0.metadata.merge(metadata) { $1 }
            $0.isWaiting = true
        }
        finish { _ in }
        return state.withLock { !$0.isWritten }
    }

    /// Writes the line with what is known, unless it has been written.
    func write() { finish { $0.isGenerating = false } }

    private func finish(_ change: (inout State) -> Void) {
        let line = state.withLock { state -> Logger.Metadata? in
            change(&state)
            guard state.isWaiting, !state.isGenerating, !state.isWritten else { return nil }
            state.isWritten = true
            return state.metadata
        }
        if let line { logger.info("request", metadata: line) }
    }

    /// Model and tokens of an ended generation.
    static func metadata(of generation: Generation) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "response_id": "\(generation.id)", "session_id": "\(generation.sessionID)", "model": "\(generation.parameters.model)",
            "response_status": "\(generation.status.name)",
        ]
        if let usage = generation.usage {
            metadata["input_tokens"] = .stringConvertible(usage.inputTokens)
            metadata["output_tokens"] = .stringConvertible(usage.outputTokens)
            if usage.isEstimated { metadata["tokens_estimated"] = .stringConvertible(true) }
        }
        return metadata
    }
}

/// Writes the access log.
package struct AccessLog: Sendable {
    private let logger: Logger

    /// - Parameter logger: its level is lowered to `info`, so that the access log is written whatever the log level.
    package init(_ logger: Logger) {
        var logger = logger
        logger.logLevel = min(logger.logLevel, .info)
        self.logger = logger
    }

    func record(_ metadata: Logger.Metadata = [:]) -> AccessRecord { AccessRecord(logger, metadata) }

    /// Writes the line of a generation without a request that waits for it, from a batch or a WebSocket.
    func write(_ generation: Generation, key: String, elapsed: Duration) {
        var metadata = AccessRecord.metadata(of: generation)
        metadata["key"] = "\(key)"
        metadata["duration_ms"] = .stringConvertible(elapsed.nanoseconds / 1_000_000)
        logger.info("response", metadata: metadata)
    }

    /// Writes the line of a request that reached no handler.
    func write(_ request: RefusedRequest) {
        logger.info(
            "request",
            metadata: [
                "request_id": "\(request.answerFields.first { $0.name == "x-request-id" }?.value ?? "")",
                "connection": "\(request.connectionID)", "method": "\(request.method?.name ?? "none")",
                "path": "\(request.path ?? "none")",
                "status": .stringConvertible(request.status.code), "peer": "\(request.peer?.description ?? "unix")",
            ])
    }
}
