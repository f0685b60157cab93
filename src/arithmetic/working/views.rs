//! Operations that only move elements.

/// The extents before an axis, of it, and after it.
pub(super) fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

/// Repeats along new leading axes and along axes of extent 1.
pub(super) fn broadcast<T: Copy>(x: &[T], from: &[usize], to: &[usize]) -> Vec<T> {
    let count: usize = to.iter().product();
    if x.len() == 1 {
        return vec![x[0]; count];
    }
    // The own axes, as trailing ones of the result, with the stride of each; 0 where it is repeated.
    let lead = to.len() - from.len();
    let mut strides = vec![0; to.len()];
    let mut stride = 1;
    for axis in (0..from.len()).rev() {
        if from[axis] != 1 {
            strides[lead + axis] = stride;
        }
        stride *= from[axis];
    }
    let mut index = vec![0; to.len()];
    let mut place = 0;
    let mut result = Vec::with_capacity(count);
    for _ in 0..count {
        result.push(x[place]);
        for axis in (0..to.len()).rev() {
            index[axis] += 1;
            place += strides[axis];
            if index[axis] < to[axis] {
                break;
            }
            place -= strides[axis] * to[axis];
            index[axis] = 0;
        }
    }
    result
}

/// `length` entries of an axis, from `start` on.
pub(super) fn slice<T: Copy>(x: &[T], shape: &[usize], axis: usize, start: usize, length: usize) -> Vec<T> {
    let (outer, extent, inner) = around(shape, axis);
    let mut result = Vec::with_capacity(outer * length * inner);
    for o in 0..outer {
        let from = (o * extent + start) * inner;
        result.extend_from_slice(&x[from..from + length * inner]);
    }
    result
}

/// Arrays one after the other along an axis.
pub(super) fn concatenate<T: Copy>(parts: &[(&[T], &[usize])], axis: usize) -> Vec<T> {
    let outer: usize = parts[0].1[..axis].iter().product();
    let mut result = Vec::with_capacity(parts.iter().map(|(x, _)| x.len()).sum());
    for o in 0..outer {
        for (x, shape) in parts {
            let block: usize = shape[axis..].iter().product();
            result.extend_from_slice(&x[o * block..(o + 1) * block]);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_move_elements_as_row_major_arrays_do() {
        assert_eq!(broadcast(&[1, 2], &[2, 1], &[2, 3]), [1, 1, 1, 2, 2, 2]);
        assert_eq!(broadcast(&[1, 2], &[2], &[3, 2]), [1, 2, 1, 2, 1, 2]);
        assert_eq!(broadcast(&[1, 2], &[1, 2, 1], &[2, 2, 2]), [1, 1, 2, 2, 1, 1, 2, 2]);
        assert!(broadcast::<i32>(&[], &[0, 1], &[0, 3]).is_empty());
        assert_eq!(slice(&[1, 2, 3, 4, 5, 6], &[2, 3], 1, 1, 2), [2, 3, 5, 6]);
        assert_eq!(slice(&[1, 2, 3, 4, 5, 6], &[3, 2], 0, 1, 1), [3, 4]);
        let parts: [(&[i32], &[usize]); 2] = [(&[1, 2], &[2, 1]), (&[3, 4, 5, 6], &[2, 2])];
        assert_eq!(concatenate(&parts, 1), [1, 3, 4, 2, 5, 6]);
    }
}
