import Foundation
import GRDB

/// GRDB takes and returns blobs as Foundation's `Data`; everything else here uses plain bytes.
func data(_ bytes: [UInt8]) -> Data { Data(bytes) }
func bytes(_ data: Data) -> [UInt8] { [UInt8](data) }
