package import API
import Faces

extension Server {
    /// What the server speaks: a face a line. The order is that of the metrics page.
    package static let routes: [Route] = Array(
        [
            ServiceFace.routes,
            ChatFace.routes,
            ResponsesFace.routes,
            ConversationsFace.routes,
            RunnerFace.routes,
            SessionsFace.routes,
            OperatorFace.routes,
            FilesFace.routes,
            BatchesFace.routes,
            WebhooksFace.routes,
            UsageFace.routes,
            CredentialsFace.routes,
        ].joined())
}
