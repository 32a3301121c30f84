import API
import Access
import Faces
import Hosting
import Jobs
import Network
import Runners
import SessionHosting
import Upstreams

/// The parts of a server, each made once and complete: see ``Assembly``.
struct Parts: Sendable {
    let lifecycle: Lifecycle
    let authentication: Authentication
    let webhooks: Webhooks
    let usage: UsageLedger
    let idempotency: IdempotencyKeys
    let metering: Metering
    /// nil if none is written.
    let accessLog: AccessLog?
    let upstreams: UpstreamRouter
    let runners: RunnerBoard
    let sessions: SessionDirectory
    let modelNames: ModelNames
    /// nil if nothing is stored.
    let files: FileLibrary?
    /// nil if nothing is stored.
    let batches: BatchEngine?
    let gate: AcceptGate
    let operatorSources: OperatorSources
}
