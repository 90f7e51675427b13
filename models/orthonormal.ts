/**
 * Orthonormal columns spanning the columns of a row-major matrix [rows, columns]: the Q of its QR decomposition with a
 * positive diagonal of R, by Gram-Schmidt done twice in 64-bit floats.
 */
export function orthonormalColumns(values: Float32Array, rows: number, columns: number): Float32Array {
  const q = Float64Array.from(values);
  for (let j = 0; j < columns; j++) {
    for (let pass = 0; pass < 2; pass++) {
      for (let k = 0; k < j; k++) {
        let dot = 0;
        for (let i = 0; i < rows; i++) dot += q[i * columns + k] * q[i * columns + j];
        for (let i = 0; i < rows; i++) q[i * columns + j] -= dot * q[i * columns + k];
      }
    }
    let square = 0;
    for (let i = 0; i < rows; i++) square += q[i * columns + j] ** 2;
    for (let i = 0; i < rows; i++) q[i * columns + j] /= Math.sqrt(square);
  }
  return Float32Array.from(q);
}
