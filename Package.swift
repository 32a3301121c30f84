// swift-tools-version: 6.1
import PackageDescription

/// The same for every target of ours: intent must be plain, and a warning is an error.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .unsafeFlags(["-warnings-as-errors"]),
]

/// For the layers that each token passes: the checks that no two accesses to a variable overlap cost a fifth of the time there.
/// Debug builds, and so the unit tests, have them.
let byteSpeed: [SwiftSetting] = strict + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

// A target is a layer and may import only what stands above it in this list.
let package = Package(
    name: "interject",
    products: [.executable(name: "interject", targets: ["interject"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .target(name: "CLinux", swiftSettings: strict),
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CCurl", providers: [.apt(["libcurl4-openssl-dev"])]),

        .target(name: "Bytes", swiftSettings: byteSpeed),
        .target(name: "Digests", dependencies: ["Bytes", "COpenSSL"], swiftSettings: strict),
        .target(name: "JSON", dependencies: ["Bytes"], swiftSettings: byteSpeed),
        .target(name: "JSONSchema", dependencies: ["JSON", "Bytes"], swiftSettings: byteSpeed),
        .target(name: "WebSocket", dependencies: ["Bytes", "Digests", "COpenSSL", "CZlib"], swiftSettings: byteSpeed),
        .target(name: "HTTP", dependencies: ["Bytes", "CZlib"], swiftSettings: byteSpeed),
        .target(
            name: "Network",
            dependencies: [
                "Bytes", "WebSocket", "HTTP", "CLinux", "COpenSSL", "CCurl", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: byteSpeed),
        .target(
            name: "Sessions",
            dependencies: ["CLinux", "Bytes", "JSON", "JSONSchema", .product(name: "DequeModule", package: "swift-collections")],
            swiftSettings: byteSpeed),
        .target(
            name: "Hosting",
            dependencies: [
                "Network", "Bytes", .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: byteSpeed),
        .target(name: "ResponsesWire", dependencies: ["Bytes", "JSON", "Sessions"], swiftSettings: byteSpeed),
        .target(
            name: "Upstreams",
            dependencies: ["Network", "HTTP", "JSON", "Bytes", "Sessions", .product(name: "Logging", package: "swift-log")],
            swiftSettings: byteSpeed),
        .target(
            name: "Runners", dependencies: ["Hosting", "Sessions", "Network", "JSON", "Bytes"], swiftSettings: byteSpeed),
        .target(
            name: "Jobs",
            dependencies: [
                "Sessions", "Network", "HTTP", "JSON", "Digests", "Bytes",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"), .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: byteSpeed),
        .target(
            name: "Storage",
            dependencies: [
                "CLinux", "Sessions", "Hosting", "Jobs", "JSON", "JSONSchema", "Bytes",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"), .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: byteSpeed),
        .target(
            name: "SessionHosting",
            dependencies: [
                "Storage", "Hosting", "Sessions", "Network", "JSON", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: byteSpeed),
        .target(
            name: "Access",
            dependencies: [
                "Storage", "Sessions", "Network", "HTTP", "JSON", "Digests", "Bytes", "COpenSSL",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: byteSpeed),
        .target(
            name: "API",
            dependencies: [
                "Access", "SessionHosting", "Storage", "Jobs", "Upstreams", "Hosting", "Sessions", "Network", "WebSocket", "HTTP",
                "JSON", "Digests", "Bytes", .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: byteSpeed),
        .target(
            name: "Faces",
            dependencies: [
                "API", "Access", "Runners", "SessionHosting", "Storage", "Jobs", "Upstreams", "ResponsesWire", "Hosting",
                "Sessions",
                "Network", "WebSocket", "HTTP", "JSON", "Digests", "Bytes", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: byteSpeed),
        .target(
            name: "Server",
            dependencies: [
                "Faces", "API", "Access", "Runners", "SessionHosting", "Storage", "Jobs", "Upstreams", "ResponsesWire", "Hosting",
                "Sessions", "Network", "WebSocket", "HTTP", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: byteSpeed),
        .executableTarget(
            name: "interject",
            dependencies: [
                "Server", "Access", "Jobs", "Storage", "Upstreams", "ResponsesWire", "Sessions", "Network", "HTTP", "WebSocket",
                "JSON",
                "Bytes", "CCurl",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"), .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: strict),

        // What several test targets need; nothing that is shipped depends on it.
        .target(name: "LoopbackServer", dependencies: ["Network"], path: "Tests/LoopbackServer", swiftSettings: strict),
        .target(
            name: "RunningServer",
            dependencies: [
                "LoopbackServer", "Server", "API", "SessionHosting", "Network", .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/RunningServer", swiftSettings: strict),
        // A face that the server does not have: all that a new one takes.
        .target(
            name: "NewFace", dependencies: ["API", "Access", "Sessions", "Network", "HTTP", "JSON", "Bytes"], path: "Tests/NewFace",
            swiftSettings: strict),
        .target(name: "ToldSession", dependencies: ["Sessions", "JSON"], path: "Tests/ToldSession", swiftSettings: strict),
        .testTarget(name: "BytesTests", dependencies: ["Bytes"], swiftSettings: strict),
        .testTarget(name: "DigestsTests", dependencies: ["Digests", "Bytes"], swiftSettings: strict),
        .testTarget(name: "JSONTests", dependencies: ["JSON", "Bytes"], swiftSettings: strict),
        .testTarget(name: "JSONSchemaTests", dependencies: ["JSONSchema", "JSON"], swiftSettings: strict),
        .testTarget(name: "WebSocketTests", dependencies: ["WebSocket", "Bytes"], swiftSettings: strict),
        .testTarget(name: "HTTPTests", dependencies: ["HTTP", "Bytes", "CZlib"], swiftSettings: strict),
        .testTarget(
            name: "NetworkTests",
            dependencies: [
                "LoopbackServer", "Network", "HTTP", "WebSocket", "Bytes", "COpenSSL",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SessionsTests", dependencies: ["Sessions", "ResponsesWire", "ToldSession", "JSON", "JSONSchema", "Bytes"],
            swiftSettings: strict),
        .testTarget(name: "ResponsesWireTests", dependencies: ["ResponsesWire", "Sessions", "JSON"], swiftSettings: strict),
        .testTarget(
            name: "HostingTests",
            dependencies: ["Hosting", "Network", "CLinux", .product(name: "Logging", package: "swift-log")],
            swiftSettings: strict),
        .testTarget(
            name: "JobsTests", dependencies: ["Jobs", "JSON", .product(name: "Logging", package: "swift-log")],
            swiftSettings: strict),
        .testTarget(
            name: "StorageTests",
            dependencies: [
                "Storage", "Sessions", "ResponsesWire", "ToldSession", "Jobs", "JSON", "JSONSchema", "Bytes",
                .product(name: "GRDB", package: "GRDB.swift"), .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "UpstreamsTests",
            dependencies: [
                "LoopbackServer", "Upstreams", "Sessions", "Network", "HTTP", "JSON", "Bytes",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(name: "WebhooksTests", dependencies: ["Jobs"], swiftSettings: strict),
        .testTarget(
            name: "AccessTests",
            dependencies: [
                "Access", "Network", "HTTP", "JSON", "Digests", "Bytes", "COpenSSL",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SessionHostingTests",
            dependencies: [
                "LoopbackServer", "SessionHosting", "Storage", "Hosting", "Sessions", "Network", "JSON", "Bytes",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "APITests",
            dependencies: [
                "API", "Access", "Storage", "Network", "HTTP", "Digests", "Bytes", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "FacesTests", dependencies: ["Faces", "API", "ResponsesWire", "Sessions", "JSON"], swiftSettings: strict),
        .testTarget(
            name: "NewFaceTests",
            dependencies: ["NewFace", "RunningServer", "LoopbackServer", "Server", "API", "Access", "Storage"],
            swiftSettings: strict),
        .testTarget(
            name: "ServerTests",
            dependencies: [
                "RunningServer", "LoopbackServer", "Server", "API", "Access", "SessionHosting", "Storage", "Hosting", "Sessions",
                "Network",
                "HTTP", "Digests",
                .product(name: "Logging", package: "swift-log"), .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "CommandLineTests",
            dependencies: [
                "interject", "Server", "Access", "Upstreams", "Sessions", "Network", "HTTP", "WebSocket", "JSON", "Bytes",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
    ]
)

// `make fuzz` alone builds this: it needs the fuzzer's instrumentation in every target, and nobody else needs it.
// Within the package rather than beside it, since the decoders that it feeds are `package`.
if Context.environment["INTERJECT_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "interject-fuzz",
            dependencies: ["Bytes", "JSON", "JSONSchema", "WebSocket", "HTTP", "Sessions", "Upstreams", "CZlib"],
            path: "Fuzz/Targets",
            swiftSettings: strict + [.enableExperimentalFeature("Extern")]))
}
