import API
import Faces

extension Server {
    /// What the server speaks: a face a line, with the parts that it alone needs. The order is that of the metrics page.
    static func routes(of parts: Parts, _ configuration: ServerConfiguration) -> [Route] {
        Array(
            [
                ServiceFace.routes,
                ChatFace.routes,
                ResponsesFace.routes,
                ConversationsFace.routes,
                RunnerFace(parts.runners, model: configuration.runnerModel).routes,
                SessionsFace.routes,
                OperatorFace(parts.operatorSources).routes,
                FilesFace(parts.files, limits: configuration.fileLimits).routes,
                BatchesFace(parts.batches).routes,
                WebhooksFace(parts.webhooks).routes,
                UsageFace(parts.usage).routes,
                CredentialsFace.routes,
            ].joined())
    }
}
