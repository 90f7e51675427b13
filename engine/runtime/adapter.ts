import type { DeviceTraits } from '../../kernels/kernel.ts';
import { DeviceError } from '../errors.ts';
import { platform } from '../platform.ts';

const LIMITS = [
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupStorageSize',
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxImmediateSize',
] as const;

const FEATURES = [
  'subgroups',
  'shader-f16',
  'timestamp-query',
  'subgroup-size-control',
  // Dawn offers it with its unsafe interfaces alone, which SUBGROUP_MATRIX=1 asks for.
  'chromium-experimental-subgroup-matrix',
] as const;

/** A product that the adapter's subgroups do at once, as Dawn tells it. */
interface MatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** The largest of f16 with f32 sums whose depth divides that of a slab (kernels/matmul/tile.ts). */
function subgroupMatrixOf(info: GPUAdapterInfo): DeviceTraits['subgroupMatrix'] {
  const { subgroupMatrixConfigs = [] } = info as unknown as { subgroupMatrixConfigs?: Iterable<MatrixConfig> };
  const [best] = [...subgroupMatrixConfigs]
    .filter((one) => one.componentType === 'f16' && one.resultComponentType === 'f32' && 16 % one.K === 0)
    .sort((a, b) => b.M * b.N * b.K - a.M * a.N * a.K);
  return best && { m: best.M, n: best.N, k: best.K };
}

/** The adapter in words, for logs, run folders and bench headers. */
export interface DeviceInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly software: boolean;
  readonly features: readonly string[];
}

/** An adapter's device with what is known of it. */
export interface OpenedAdapter {
  readonly gpu: GPUDevice;
  readonly info: DeviceInfo;
  readonly traits: DeviceTraits;
}

/** Opens the best adapter with all that it can do. Throws DeviceError, with the remedy, where there is none. */
export async function openAdapter(powerPreference: GPUPowerPreference = 'high-performance'): Promise<OpenedAdapter> {
  const entry = await platform().gpu();
  const adapter = await entry.requestAdapter({ powerPreference });
  if (!adapter) {
    throw new DeviceError('No WebGPU adapter was found.', { remedy: platform().adapterRemedy });
  }
  const features = FEATURES.filter((f) => adapter.features.has(f as GPUFeatureName));
  const requiredLimits: Record<string, number> = {};
  for (const name of LIMITS) {
    const value = (adapter.limits as unknown as Record<string, number | undefined>)[name];
    if (value !== undefined) requiredLimits[name] = value;
  }
  const gpu = await adapter.requestDevice({ requiredFeatures: features as GPUFeatureName[], requiredLimits });
  const { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize } = adapter.info;
  const software =
    adapter.info.isFallbackAdapter || /llvmpipe|swiftshader|software/i.test(`${architecture} ${device} ${description}`);
  const subgroups = features.includes('subgroups');
  const lanes = software && subgroups && subgroupMinSize === 8 && subgroupMaxSize === 8;
  const texturesRead = entry.wgslLanguageFeatures.has('readonly_and_readwrite_storage_textures');
  return {
    gpu,
    info: { vendor, architecture, device, description, software, features },
    traits: {
      family: lanes ? 'lanes' : 'tiled',
      software,
      subgroups,
      subgroupMinSize,
      subgroupMaxSize,
      shaderF16: features.includes('shader-f16'),
      subgroupMatrix: features.includes('chromium-experimental-subgroup-matrix')
        ? subgroupMatrixOf(adapter.info)
        : undefined,
      winograd: platform().env('WINOGRAD') !== '0',
      textures: lanes && texturesRead && platform().env('TEXTURES') !== '0',
      maxWorkgroupStorage: gpu.limits.maxComputeWorkgroupStorageSize,
      maxInvocations: gpu.limits.maxComputeInvocationsPerWorkgroup,
      maxStorageBuffers: gpu.limits.maxStorageBuffersPerShaderStage,
    },
  };
}
